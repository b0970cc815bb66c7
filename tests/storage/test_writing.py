"""What a writer writes is what Optuna would have written, and may be written twice."""

from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from ana_search.errors import LeaseError
from ana_search.storage import open_storage
from ana_search.storage.writing import TrialWriter, trial_writer

DISTRIBUTIONS = {
    "noise": CategoricalDistribution(("uniform", "normal")),
    "offset": FloatDistribution(-0.3, 0.3),
    "rate": FloatDistribution(1e-4, 1e-2, log=True),
    "batch_size": IntDistribution(32, 256, step=32),
}
PARAMS = {"noise": "normal", "offset": -0.25, "rate": 3e-3, "batch_size": 64}


class Stored:
    """A study in a storage, its writer, and a fresh look at it."""

    def __init__(self, url: str) -> None:
        self.url = url
        study = optuna.create_study(study_name="s", storage=open_storage(url), direction="maximize")
        self.writer: TrialWriter = trial_writer(study._storage, study._study_id)

    def trials(self) -> list[FrozenTrial]:
        return optuna.load_study(study_name="s", storage=open_storage(self.url, create=False)).trials


@pytest.fixture(params=["sqlite", "journal"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Stored:
    return Stored(f"{request.param}:///{tmp_path / 'study'}")


def running() -> FrozenTrial:
    trial = create_trial(
        state=TrialState.RUNNING,
        params=PARAMS,
        distributions=DISTRIBUTIONS,
        user_attrs={"seed": 5, "plan_hash": "ab"},
        system_attrs={"place": [1, 2]},
    )
    trial.datetime_start = datetime.now()
    return trial


def test_a_trial_as_optuna_writes_it(stored: Stored) -> None:
    written = running()
    study = optuna.load_study(study_name="s", storage=open_storage(stored.url))
    study.add_trial(written)
    stored.writer.create(written)
    by_optuna, by_writer = stored.trials()
    assert (by_optuna.number, by_writer.number) == (0, 1)
    for name in ("state", "params", "distributions", "user_attrs", "system_attrs", "values", "intermediate_values"):
        assert getattr(by_writer, name) == getattr(by_optuna, name), name
    assert by_writer.datetime_start is not None
    assert abs(by_writer.datetime_start - datetime.now()) < timedelta(minutes=1)


def test_a_trial_from_start_to_end(stored: Stored) -> None:
    first, second = stored.writer.create(running()), stored.writer.create(running())
    assert stored.writer.count() == 2
    stored.writer.report(second, 7, 0.5, {"completed_rung_0": 0.5})
    stored.writer.report(second, 20, 0.75, {})
    stored.writer.finish(second, TrialState.COMPLETE, [0.75], {"worker": "w", "seed": 6})
    stored.writer.finish(first, TrialState.FAIL, None, {"reason": "lost"})
    failed, complete = stored.trials()
    assert (failed.state, failed.values, failed.user_attrs["reason"]) == (TrialState.FAIL, None, "lost")
    assert (complete.state, complete.value) == (TrialState.COMPLETE, 0.75)
    assert complete.intermediate_values == {7: 0.5, 20: 0.75}
    assert complete.user_attrs == {"seed": 6, "plan_hash": "ab", "worker": "w"}
    assert complete.system_attrs == {"place": [1, 2], "completed_rung_0": 0.5}
    assert complete.duration is not None
    assert timedelta() <= complete.duration < timedelta(minutes=1)


def test_writing_twice_changes_nothing(stored: Stored) -> None:
    """The answer to a commit may be lost on the way, and the commit is then tried again."""
    trial = stored.writer.create(running())
    for _ in range(2):
        stored.writer.report(trial, 20, 0.75, {"completed_rung_0": 0.75})
    for _ in range(2):
        stored.writer.finish(trial, TrialState.COMPLETE, [0.75], {"worker": "w"})
    (complete,) = stored.trials()
    assert (complete.value, complete.intermediate_values) == (0.75, {20: 0.75})


def test_a_trial_that_something_else_ended(stored: Stored) -> None:
    trial = stored.writer.create(running())
    stored.writer.finish(trial, TrialState.FAIL, None, {"reason": "its driver died"})
    with pytest.raises(LeaseError, match="is FAIL and was to become COMPLETE"):
        stored.writer.finish(trial, TrialState.COMPLETE, [0.75], {})
    assert stored.trials()[0].state == TrialState.FAIL
