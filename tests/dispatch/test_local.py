"""The one slot in the driver's own process."""

import time
from pathlib import Path

import pytest

from ana_search.dispatch import Done, EpochDone, Event, Failed, Job, Started, Stopped
from ana_search.dispatch.local import LocalDispatcher
from tests.training.plans import digits_plan, with_settings


def until_the_end(dispatcher: LocalDispatcher) -> list[Event]:
    events: list[Event] = []
    until = time.monotonic() + 120
    while not events or not isinstance(events[-1], Done | Failed | Stopped):
        events += dispatcher.events(0.5)
        assert time.monotonic() < until
    return events


def test_a_job_tells_its_epochs_and_its_end() -> None:
    dispatcher = LocalDispatcher()
    assert dispatcher.start() == dispatcher.free() == 1
    dispatcher.submit(Job(5, digits_plan(epochs=2)))
    with pytest.raises(ValueError, match="taken"):
        dispatcher.submit(Job(6, digits_plan(epochs=2)))
    started, *trained, done = until_the_end(dispatcher)
    assert isinstance(started, Started)
    assert [event.epoch for event in trained if isinstance(event, EpochDone)] == [1, 2]
    assert isinstance(done, Done)
    assert done.trial == 5
    assert [epoch["epoch"] for epoch in done.outcome.history] == [1, 2]
    assert done.outcome.accuracy == done.outcome.history[-1]["accuracy"]
    assert dispatcher.free() == 1
    assert dispatcher.events(0.0) == []


def test_a_job_that_is_stopped_leaves_its_checkpoint_and_goes_on(tmp_path: Path) -> None:
    job = Job(0, digits_plan(epochs=3), str(tmp_path / "checkpoint.pt"))
    dispatcher = LocalDispatcher()
    dispatcher.submit(job)
    dispatcher.stop()
    assert isinstance(until_the_end(dispatcher)[-1], Stopped)
    assert (tmp_path / "checkpoint.pt").is_file()
    again = LocalDispatcher()
    again.submit(job)
    epochs = [event.epoch for event in until_the_end(again) if isinstance(event, EpochDone)]
    assert epochs == [2, 3]


def test_a_job_that_diverges_says_so() -> None:
    dispatcher = LocalDispatcher()
    dispatcher.submit(Job(0, with_settings(digits_plan(epochs=2), optimiser="sgd", learning_rate=1e38)))
    failed = until_the_end(dispatcher)[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == "diverged"
    assert "epoch" in failed.reason
