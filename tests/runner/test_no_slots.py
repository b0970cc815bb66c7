"""How long the driver waits for a slot when there is none."""

import time
from pathlib import Path

import pytest

from ana_search.dispatch import Job
from ana_search.dispatch.local import LocalDispatcher
from ana_search.errors import RunError
from ana_search.runner import launch
from tests.runner.studies import check_sound, make_spec, trials_of

LIMIT_SECONDS = 3.0


class Recovering(LocalDispatcher):
    """A slot that is away for a while after every job, as one is whose worker was lost."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._back = time.monotonic() + seconds

    def free(self) -> int:
        return super().free() if time.monotonic() > self._back else 0

    def submit(self, job: Job) -> None:
        super().submit(job)
        self._back = time.monotonic() + self._seconds


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ana_search.runner.driver._NO_SLOT_SECONDS", LIMIT_SECONDS)


def test_only_an_absence_without_a_break_ends_the_launch(tmp_path: Path, runs: Path) -> None:
    began = time.monotonic()
    outcome = launch(make_spec(tmp_path), workers=1, runs=runs, dispatcher=Recovering(1.2))
    assert time.monotonic() - began > LIMIT_SECONDS
    assert outcome.finished == 4
    check_sound(trials_of(runs), 4)


def test_a_launch_without_any_slot_ends_with_an_error(tmp_path: Path, runs: Path) -> None:
    with pytest.raises(RunError, match="no worker has been available"):
        launch(make_spec(tmp_path), workers=1, runs=runs, dispatcher=Recovering(1e6))
    assert trials_of(runs) == []
