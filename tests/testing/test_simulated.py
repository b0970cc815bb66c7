"""The real driver on a simulated cluster."""

import json
import math
import statistics
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from ana_search.dispatch import Done, EpochDone, Failed, Job, Started, Stopped
from ana_search.plan import TrainingPlan
from ana_search.planner import make_plan
from ana_search.runner import Silent, launch
from ana_search.storage import open_storage
from ana_search.storage.attributes import awaits_retry, is_finished
from ana_search.testing import Fate, SimulatedDispatcher, fixed_fate, lognormal_fates
from tests.testing.studies import study


def stored(folder: Path) -> list[FrozenTrial]:
    url = f"sqlite:///{folder / 'simulated' / 'study.db'}"
    return optuna.load_study(study_name="simulated", storage=open_storage(url, create=False)).trials


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> TrainingPlan:
    return make_plan(study(tmp_path_factory.mktemp("study")), {}, seed=0)


# The driver


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimulatedDispatcher, list[FrozenTrial]]:
    """200 trials on 64 workers, of which every tenth dies under its trial."""
    folder = tmp_path_factory.mktemp("faulty")
    dispatcher = SimulatedDispatcher(64, lognormal_fates(350.0, lost=0.1, diverged=0.05))
    outcome = launch(study(folder), trials=200, workers=64, runs=folder, dispatcher=dispatcher)
    assert (outcome.finished, outcome.interrupted) == (200, False)
    return dispatcher, stored(folder)


def test_exactly_the_trials_asked_for(faulty: tuple[SimulatedDispatcher, list[FrozenTrial]]) -> None:
    _, trials = faulty
    assert sum(is_finished(trial) for trial in trials) == 200
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert not [trial for trial in trials if not trial.state.is_finished()]
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert all(len(trial.values) == 1 for trial in complete)


def test_lost_trials_are_tried_again(faulty: tuple[SimulatedDispatcher, list[FrozenTrial]]) -> None:
    _, trials = faulty
    lost = [trial for trial in trials if trial.user_attrs.get("retry") == "lost"]
    assert 5 <= len(lost) <= 50
    again = {trial.user_attrs["retry_of"]: trial for trial in trials if "retry_of" in trial.user_attrs}
    for trial in lost:
        assert trial.state == TrialState.FAIL
        assert trial.user_attrs["reason"] == "the simulated worker died"
        if awaits_retry(trial):
            repeated = again[trial.number]
            assert repeated.params == trial.params
            assert repeated.user_attrs["attempt"] == trial.user_attrs["attempt"] + 1
    assert set(again) <= {trial.number for trial in lost}


def test_diverged_trials_are_pruned(faulty: tuple[SimulatedDispatcher, list[FrozenTrial]]) -> None:
    _, trials = faulty
    states = Counter(trial.state for trial in trials)
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert 2 <= len(pruned) <= 25
    assert {trial.user_attrs["reason"] for trial in pruned} == {"simulated: diverged"}
    assert states[TrialState.COMPLETE] + len(pruned) <= 200


def test_lost_workers_are_idle_for_a_while(faulty: tuple[SimulatedDispatcher, list[FrozenTrial]]) -> None:
    dispatcher, trials = faulty
    assert len(dispatcher.spans) == len(trials)
    assert 0.5 < dispatcher.utilisation() < 0.99


def test_workers_are_busy_while_there_is_work(tmp_path: Path) -> None:
    dispatcher = SimulatedDispatcher(16, lognormal_fates(350.0))
    launch(study(tmp_path), trials=64, workers=16, runs=tmp_path, dispatcher=dispatcher)
    assert len(dispatcher.spans) == 64
    assert dispatcher.utilisation(dispatcher.last_submit) == pytest.approx(1.0)
    assert dispatcher.utilisation() < 0.95  # at the end workers wait for the longest trial
    assert (dispatcher.driver_load(), dispatcher.driver_seconds) == (0.0, 0.0)


def test_rungs_are_jobs_of_their_own(tmp_path: Path) -> None:
    dispatcher = SimulatedDispatcher(8, lognormal_fates(100.0))
    launch(study(tmp_path, pruner="asha"), trials=40, workers=8, runs=tmp_path, dispatcher=dispatcher)
    trials = stored(tmp_path)
    states = Counter(trial.state for trial in trials)
    assert states[TrialState.COMPLETE] + states[TrialState.PRUNED] == 40
    assert states[TrialState.PRUNED] > states[TrialState.COMPLETE] > 0
    for trial in trials:
        assert list(trial.intermediate_values) in ([1], [1, 3], [1, 3, 9])
        assert (list(trial.intermediate_values)[-1] == 9) == (trial.state == TrialState.COMPLETE)
    assert len(dispatcher.spans) == sum(len(trial.intermediate_values) for trial in trials)


def test_deterministic_whatever_the_timing(tmp_path: Path) -> None:
    """Trials that take other times on as many workers are the same trials."""
    tables = []
    accuracy = lognormal_fates(100.0)
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        timing = lognormal_fates(100.0, seed=seed)

        def fate(job: Job, timing: Callable[[Job], Fate] = timing) -> Fate:
            return Fate(timing(job).seconds, accuracy(job).accuracy)

        dispatcher = SimulatedDispatcher(4, fate)
        spec = study(folder, sampler="tpe")
        launch(spec, trials=24, workers=4, runs=folder, dispatcher=dispatcher, deterministic=True)
        tables.append([(trial.params, trial.values) for trial in stored(folder)])
    assert tables[0] == tables[1]


def test_stopping_drains_and_goes_on(tmp_path: Path) -> None:
    """The driver is asked to stop after 30 trials; the next launch runs again what was running."""
    spec = study(tmp_path)
    dispatcher = SimulatedDispatcher(8, lognormal_fates(100.0))

    class StopAt30(Silent):
        def trial_ended(self, worker: str, trial: int, state: str, *, finished: int) -> None:
            if finished == 30 and state == "COMPLETE":
                raise KeyboardInterrupt

    outcome = launch(spec, trials=60, workers=8, runs=tmp_path, dispatcher=dispatcher, progress=StopAt30())
    assert (outcome.finished, outcome.interrupted) == (30, True)
    interrupted = [trial for trial in stored(tmp_path) if trial.user_attrs.get("retry") == "interrupted"]
    assert interrupted
    outcome = launch(
        spec, trials=60, workers=8, runs=tmp_path, dispatcher=SimulatedDispatcher(8, lognormal_fates(100.0))
    )
    assert (outcome.finished, outcome.interrupted) == (60, False)
    trials = stored(tmp_path)
    assert {trial.user_attrs["retry_of"] for trial in trials if "retry_of" in trial.user_attrs} == {
        trial.number for trial in interrupted
    }
    assert all(trial.user_attrs["attempt"] == 1 for trial in trials)  # an interruption costs no attempt


def test_what_is_kept_of_a_trial(tmp_path: Path) -> None:
    dispatcher = SimulatedDispatcher(2, fixed_fate(10.0), network=b"weights")
    launch(study(tmp_path), trials=2, workers=2, runs=tmp_path, dispatcher=dispatcher)
    kept = tmp_path / "simulated" / "trials" / "1"
    assert (kept / "network.pt").read_bytes() == b"weights"
    assert json.loads((kept / "plan.json").read_text())["training"]["epochs"] == 9


# The cluster


def test_events_of_a_job(plan: TrainingPlan) -> None:
    dispatcher = SimulatedDispatcher(1, fixed_fate(18.0, accuracy=0.75))
    assert (dispatcher.start(), dispatcher.free()) == (1, 1)
    dispatcher.submit(Job(3, plan))
    assert dispatcher.free() == 0
    with pytest.raises(ValueError, match="no slot is free"):
        dispatcher.submit(Job(4, plan))
    assert [type(event) for event in dispatcher.events(0.5)] == [Started]
    assert (list(dispatcher.events(0.5)), dispatcher.clock) == ([], 0.5)  # the first epoch ends after two seconds
    (first,) = dispatcher.events(5.0)
    assert isinstance(first, EpochDone)
    assert (first.epoch, first.epochs, dispatcher.clock) == (1, 9, 2.0)
    rest = [event for _ in range(8) for event in dispatcher.events(5.0)]
    assert isinstance(rest[-1], Done)
    assert (rest[-1].outcome.accuracy, rest[-1].outcome.seconds) == (0.75, 18.0)
    assert (dispatcher.clock, dispatcher.free(), dispatcher.spans) == (18.0, 1, [(0.0, 18.0)])


def test_a_lost_worker_comes_back_later(plan: TrainingPlan) -> None:
    dispatcher = SimulatedDispatcher(1, lambda _: Fate(90.0, 0.5, "lost", fault_at=0.25), restart_seconds=5.0)
    dispatcher.start()
    dispatcher.submit(Job(0, plan))
    told = []
    while not told or not isinstance(told[-1], Failed):
        told += dispatcher.events(100.0)
    assert [type(event) for event in told] == [Started, EpochDone, EpochDone, Failed]
    assert (dispatcher.clock, dispatcher.free()) == (22.5, 0)
    assert list(dispatcher.events(4.0)) == []
    assert dispatcher.free() == 0
    assert list(dispatcher.events(4.0)) == []
    assert dispatcher.free() == 1


def test_stopped_at_the_end_of_the_epoch(plan: TrainingPlan) -> None:
    dispatcher = SimulatedDispatcher(2, fixed_fate(90.0))
    dispatcher.start()
    dispatcher.submit(Job(0, plan))
    dispatcher.events(0.0)
    dispatcher.events(15.0)
    dispatcher.events(2.0)
    assert dispatcher.clock == 12.0
    dispatcher.stop()
    told = dispatcher.events(100.0)
    assert [type(event) for event in told] == [Stopped]
    assert (dispatcher.clock, dispatcher.free()) == (20.0, 2)
    dispatcher.close()
    assert list(dispatcher.events(1.0)) == []


def test_utilisation_is_the_share_of_training(plan: TrainingPlan) -> None:
    """One of two workers trains for 10 s, then both for 30 s, then the clock goes on to 50 s."""
    seconds = {0: 10.0, 1: 30.0, 2: 30.0}
    dispatcher = SimulatedDispatcher(2, lambda job: Fate(seconds[job.trial], 0.5))
    dispatcher.start()
    dispatcher.submit(Job(0, plan))
    while dispatcher.free() < 2:
        dispatcher.events(10.0)
    dispatcher.submit(Job(1, plan))
    dispatcher.submit(Job(2, plan))
    assert dispatcher.last_submit == 10.0
    assert dispatcher.utilisation(10.0) == pytest.approx(0.5)
    while dispatcher.free() < 2:
        dispatcher.events(10.0)
    dispatcher.events(10.0)
    assert dispatcher.clock == 50.0
    assert dispatcher.utilisation() == pytest.approx((10 + 30 + 30) / (2 * 50))
    assert dispatcher.utilisation(20.0) == pytest.approx((10 + 10 + 10) / (2 * 20))


def test_the_driver_takes_time(plan: TrainingPlan) -> None:
    """With a meter that goes on by a second at every look, each call finds one second of the driver's work."""
    ticks = count()
    dispatcher = SimulatedDispatcher(
        1, fixed_fate(90.0), meter=lambda: float(next(ticks)), event_seconds=0.25, done_seconds=2.0
    )
    dispatcher.start()
    assert dispatcher.free() == 1
    assert dispatcher.clock == 1.0
    dispatcher.submit(Job(0, plan))
    assert dispatcher.clock == 2.0
    dispatcher.events(0.0)  # one second of work, and one event
    assert dispatcher.clock == 3.25
    while dispatcher.free() == 0:
        dispatcher.events(1000.0)
    assert dispatcher.spans == [(2.0, 92.0)]
    calls, events = next(ticks) // 2, 11
    assert dispatcher.events_told == events
    assert dispatcher.driver_seconds == pytest.approx(calls + 0.25 * events + 2.0)
    assert dispatcher.driver_load() == pytest.approx(dispatcher.driver_seconds / dispatcher.clock)


# Fates


def test_times_are_log_normal(plan: TrainingPlan) -> None:
    draw = lognormal_fates(350.0, spread=0.5, seed=1)
    logs = [math.log(draw(Job(number, plan)).seconds) for number in range(2000)]
    assert statistics.fmean(map(math.exp, logs)) == pytest.approx(350.0, rel=0.05)
    assert statistics.stdev(logs) == pytest.approx(0.5, rel=0.1)
    assert draw(Job(7, plan)) == draw(Job(7, plan))
    assert draw(Job(7, plan)) != lognormal_fates(350.0, spread=0.5, seed=2)(Job(7, plan))


def test_faults_have_the_share_asked_for(plan: TrainingPlan) -> None:
    draw = lognormal_fates(350.0, lost=0.2, diverged=0.1)
    faults = Counter(draw(Job(number, plan)).fault for number in range(2000))
    assert faults["lost"] / 2000 == pytest.approx(0.2, abs=0.03)
    assert faults["diverged"] / 2000 == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(("seconds", "at"), [(0.0, 0.5), (1.0, 0.0), (1.0, 1.5)])
def test_impossible_fates(seconds: float, at: float) -> None:
    with pytest.raises(ValueError, match="must hold"):
        Fate(seconds, 0.5, "lost", at)


def test_a_cluster_without_workers() -> None:
    with pytest.raises(ValueError, match="workers >= 1"):
        SimulatedDispatcher(0, fixed_fate(1.0))
