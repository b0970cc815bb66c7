"""Ctrl-C, SIGTERM and SIGHUP: the same end of a launch, whatever it is doing, and however often they come."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

from ana_search.dispatch.local import LocalDispatcher
from ana_search.errors import StorageError, StudyNotFoundError
from ana_search.runner import launch
from tests.runner.commands import running, wait_until
from tests.runner.studies import Watcher, check_sound, make_spec, trials_of, write_study

ONE_CELL = 'noise = ["uniform"]'


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.usefixtures("two_workers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_signal_stops_after_the_epoch_and_costs_no_attempt(number: int, tmp_path: Path, runs: Path) -> None:
    """With real workers: Ray has put its own handlers in the place of others by then."""
    spec = make_spec(tmp_path, data="train_size = 600", training="epochs = 2000", space=ONE_CELL)
    watcher = Watcher(lambda worker, trial, epoch: send(number) if epoch == 3 else None)
    outcome = launch(spec, workers=1, runs=runs, progress=watcher)
    assert outcome.interrupted
    assert signal.Signals(number).name in watcher.messages[0]
    assert watcher.ended == [(0, "INTERRUPTED")]
    (trial,) = trials_of(runs)
    assert (trial.user_attrs["attempt"], trial.user_attrs["retry"]) == (1, "interrupted")
    again = Watcher(lambda worker, trial, epoch: send(number))
    launch(spec, workers=1, runs=runs, progress=again)
    assert again.epochs[0] == (1, watcher.epochs[-1][1] + 1), "it did not go on where it was"
    assert trials_of(runs)[1].user_attrs["attempt"] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("two_workers")
def test_ten_preemptions_of_ten_epochs(tmp_path: Path, runs: Path) -> None:
    """Every launch is sent SIGTERM as soon as its trial runs: none trains more than the epoch that it is in."""
    spec = make_spec(tmp_path, data="train_size = 1200", training="epochs = 10\nbatch_size = 8", space=ONE_CELL)
    trained: list[int] = []

    class Preempted(Watcher):
        def trial_started(self, worker: str, trial: int, epochs: int) -> None:
            super().trial_started(worker, trial, epochs)
            send(signal.SIGTERM)

    preemptions = 0
    outcome = None
    while outcome is None or outcome.interrupted:
        watcher = Preempted()
        outcome = launch(spec, workers=1, runs=runs, progress=watcher)
        trained += [epoch for _, epoch in watcher.epochs]
        preemptions += 1
        assert preemptions <= 20
    trials = trials_of(runs)
    check_sound(trials, 1)
    assert trials[-1].state == TrialState.COMPLETE
    assert preemptions == 10
    assert {trial.user_attrs["attempt"] for trial in trials} == {1}
    assert sorted(set(trained)) == list(range(1, 11))
    assert max(trained.count(epoch) for epoch in trained) <= 2


def test_a_second_signal_ends_at_once_and_a_third_changes_nothing(tmp_path: Path, runs: Path) -> None:
    timers: list[threading.Timer] = []

    def send_soon(number: int) -> None:
        timers.append(threading.Timer(0.3, send, [number]))
        timers[-1].start()

    class Impatient(Watcher):
        def trial_started(self, worker: str, trial: int, epochs: int) -> None:
            super().trial_started(worker, trial, epochs)
            send_soon(signal.SIGTERM)

        def message(self, text: str) -> None:
            super().message(text)
            if "again to stop at once" in text:
                send_soon(signal.SIGHUP)

        def trial_ended(self, worker: str, trial: int, state: str, *, finished: int) -> None:
            super().trial_ended(worker, trial, state, finished=finished)
            send(signal.SIGTERM)  # while what was interrupted is recorded

    spec = make_spec(tmp_path, training="epochs = 2000\nbatch_size = 2", data="train_size = 1200", space=ONE_CELL)
    watcher = Impatient()
    began = time.monotonic()
    try:
        outcome = launch(spec, workers=1, runs=runs, progress=watcher, dispatcher=LocalDispatcher())
    finally:  # no signal may come when nothing handles it any more
        for timer in timers:
            timer.cancel()
    assert outcome.interrupted
    assert time.monotonic() - began < 30
    assert trials_of(runs)[0].state != TrialState.RUNNING
    assert trials_of(runs)[0].user_attrs["retry"] == "interrupted"


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path, runs: Path) -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        watcher = Watcher(lambda worker, trial, epoch: send(signal.SIGHUP))
        outcome = launch(make_spec(tmp_path, space=ONE_CELL), runs=runs, progress=watcher, dispatcher=LocalDispatcher())
    finally:
        signal.signal(signal.SIGHUP, before)
    assert not outcome.interrupted


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.0, 2.0, 4.0, 6.0, 9.0])
def test_a_signal_while_it_starts(seconds: float, tmp_path: Path) -> None:
    write_study(tmp_path, "starting", training="epochs = 2000", space=ONE_CELL)
    with running(tmp_path, "launch", "starting.toml", "--workers", "1") as command:
        time.sleep(seconds)
        left = command.tree()[1:]
        os.kill(command.pid, signal.SIGTERM)
        assert command.wait(60) == 130, command.output()
        assert "Traceback" not in command.output()
        wait_until(lambda: not any(process.is_running() for process in left), "Ray is gone with it", 60)
    try:
        trials = trials_of(tmp_path / "runs", "starting")
    except (StorageError, StudyNotFoundError):  # it had not come to making the study, or its database
        trials = []
    assert all(trial.user_attrs["retry"] == "interrupted" for trial in trials)
