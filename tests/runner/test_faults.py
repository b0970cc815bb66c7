"""What becomes of trials whose worker dies, whose loss diverges, whose network raises: with real Ray workers."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from ana_search.runner import launch
from ana_search.summary import study_status
from tests.runner.commands import run
from tests.runner.studies import (
    DIVERGING_SPACE,
    DIVERGING_TRAINING,
    Watcher,
    check_sound,
    complete,
    make_spec,
    trials_of,
    write_study,
)

pytestmark = pytest.mark.usefixtures("two_workers")


def process_of(worker: str) -> int:
    return int(worker.rpartition(":")[2])


def test_a_killed_worker_is_replaced_and_its_trial_goes_on_from_its_checkpoint(tmp_path: Path, runs: Path) -> None:
    killed: list[int] = []

    def kill_once(worker: str, trial: int, epoch: int) -> None:
        if trial == 1 and epoch == 3 and not killed:
            killed.append(trial)
            os.kill(process_of(worker), signal.SIGKILL)

    watcher = Watcher(kill_once)
    spec = make_spec(tmp_path, training="epochs = 40")
    outcome = launch(spec, workers=2, runs=runs, progress=watcher)
    assert (outcome.finished, outcome.requested, outcome.interrupted) == (4, 4, False)
    trials = trials_of(runs)
    check_sound(trials, 4)
    assert [trial.number for trial in trials if trial.state == TrialState.FAIL] == [1]
    assert trials[1].user_attrs["reason"].startswith("the worker was lost: its process died")
    (again,) = [trial for trial in trials if trial.user_attrs.get("retry_of") == 1]
    assert again.user_attrs["attempt"] == 1, "an attempt that got further was counted"
    epochs = [epoch for trial, epoch in watcher.epochs if trial == again.number]
    assert epochs[0] >= 2, "it began anew"
    assert epochs[-1] == 40
    assert complete(trials)[-1].user_attrs["worker"] != f"1@x:{killed[0]}"
    status = study_status("faults", runs=runs)
    assert status["retries"] == 1
    assert list(status["failures"].values()) == [1]


@pytest.mark.slow
def test_a_training_run_that_always_kills_its_worker_is_given_up(tmp_path: Path, runs: Path) -> None:
    spec = make_spec(tmp_path, network="dies", space='noise = ["uniform"]')
    watcher = Watcher()
    outcome = launch(spec, workers=1, runs=runs, progress=watcher)
    trials = trials_of(runs)
    assert not outcome.interrupted
    assert [trial.user_attrs["attempt"] for trial in trials] == [1, 2, 3, 4]
    assert {trial.state for trial in trials} == {TrialState.FAIL}
    assert [state for _, state in watcher.ended] == ["INTERRUPTED"] * 3 + ["FAIL"]
    check_sound(trials, 1)


@pytest.mark.slow
def test_an_attempt_that_got_further_is_not_counted(tmp_path: Path, runs: Path) -> None:
    """Killed after every epoch that it trains, a run of eight epochs still comes to its end."""
    last = 0

    def kill_after_a_new_epoch(worker: str, trial: int, epoch: int) -> None:
        nonlocal last
        if last < epoch < 8:
            last = epoch
            os.kill(process_of(worker), signal.SIGKILL)

    spec = make_spec(
        tmp_path, space='noise = ["uniform"]', data="train_size = 1200", training="epochs = 8\nbatch_size = 4"
    )
    outcome = launch(spec, workers=1, runs=runs, progress=Watcher(kill_after_a_new_epoch))
    trials = trials_of(runs)
    assert outcome.complete == 1
    assert len(trials) > 4, "it was not killed often enough to show anything"
    assert {trial.user_attrs["attempt"] for trial in trials} <= {1, 2, 3}
    check_sound(trials, 1)


def test_divergence_prunes_the_trial_with_its_reason(tmp_path: Path, runs: Path) -> None:
    spec = make_spec(tmp_path, training=DIVERGING_TRAINING, space=DIVERGING_SPACE)
    launch(spec, workers=2, runs=runs)
    trials = trials_of(runs)
    check_sound(trials, 4)
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert {trial.params["weight_decay"] for trial in pruned} == {1000.0}
    assert len(pruned) == 2
    assert all("the loss became" in trial.user_attrs["reason"] for trial in pruned)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("raises", "ZeroDivisionError: my own mistake"),
        ("takes_all_memory", "out of memory"),
        ("leaves", "SystemExit: a library that ends the process"),
    ],
)
def test_a_fault_of_the_users_network_fails_the_trial_for_good(
    network: str, reason: str, tmp_path: Path, runs: Path
) -> None:
    watcher = Watcher()
    spec = make_spec(tmp_path, network=network, space='noise = ["uniform", "normal"]')
    outcome = launch(spec, workers=1, runs=runs, progress=watcher)
    trials = trials_of(runs)
    assert (outcome.finished, outcome.complete, outcome.interrupted) == (2, 0, False)
    assert (outcome.failure() or "").startswith("all 2 trials of this launch failed: ")
    assert [trial.state for trial in trials] == [TrialState.FAIL] * 2
    assert all(trial.user_attrs["reason"].startswith(reason) for trial in trials)
    assert len({trial.user_attrs["worker"] for trial in trials}) == 2, "the worker was not replaced"
    check_sound(trials, 2)
    status = study_status("faults", runs=runs)
    assert (status["retries"], status["finished"]) == (0, 2)
    assert any(reason in message for message in watcher.messages)


@pytest.mark.slow
def test_deterministic_gives_the_same_trials_whatever_the_timing(tmp_path: Path) -> None:
    spec = make_spec(
        tmp_path,
        study='sampler = "tpe"\ntrials = 14\npruner = "asha"',
        training="epochs = 9",
        space='noise = ["uniform", "normal"]\nalpha = {low = 0.5, high = 4.0}',
    )
    draw = random.Random(3)

    def dawdle(worker: str, trial: int, epoch: int) -> None:
        if draw.random() < 0.1:
            time.sleep(0.1)

    studies = []
    for place, watcher in (("plain", Watcher()), ("slow", Watcher(dawdle))):
        launch(spec, workers=2, runs=tmp_path / place, deterministic=True, progress=watcher)
        trials = trials_of(tmp_path / place)
        check_sound(trials, 14)
        studies.append([(trial.params, trial.state, trial.values, trial.user_attrs["seed"]) for trial in trials])
    assert studies[0] == studies[1]


@pytest.mark.slow
def test_a_study_is_extended_and_its_workers_changed(tmp_path: Path, runs: Path) -> None:
    spec = make_spec(tmp_path, study='sampler = "random"', space="alpha = {low = 0.5, high = 4.0}")
    assert launch(spec, trials=3, workers=1, runs=runs).finished == 3
    before = trials_of(runs)
    outcome = launch(spec, trials=6, workers=2, runs=runs)
    assert (outcome.finished, outcome.requested) == (6, 6)
    trials = trials_of(runs)
    check_sound(trials, 6)
    assert [result(trial) for trial in trials[:3]] == [result(trial) for trial in before]
    # Every fifth point of a random study is run a second time, with another seed.
    assert len({trial.params["alpha"] for trial in trials}) == 5, "a resumed study repeats its draws"
    assert len({trial.user_attrs["seed"] for trial in trials}) == 6


def result(trial: FrozenTrial) -> tuple[object, ...]:
    return trial.number, trial.params, trial.value, trial.datetime_complete


@pytest.mark.slow
def test_a_launch_without_a_result_ends_with_1(tmp_path: Path) -> None:
    """Typed again it has nothing to run, and still no result to show: neither end looks like a success."""
    write_study(tmp_path, network="raises", space='noise = ["uniform", "normal"]')
    first = run(tmp_path, "launch", "faults.toml", "--workers", "1")
    assert first.returncode == 1, first.stderr
    assert "all 2 trials of this launch failed: ZeroDivisionError: my own mistake" in first.stderr
    again = run(tmp_path, "launch", "faults.toml", "--workers", "1")
    assert again.returncode == 1, again.stderr
    assert "none of 2 finished trials has a result" in again.stderr
