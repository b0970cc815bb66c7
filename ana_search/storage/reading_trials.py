"""Reading all trials of a study: a few statements on Optuna's tables instead of one object a row.

Optuna builds an object for every parameter and attribute of every trial, which takes most of the time of looking at a
large study. What is returned here is what Optuna would return.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy import select
from sqlalchemy.orm import Session

from ana_search.storage.private import backend_of, storage_of, study_id

__all__ = ["read_trials", "trials_of"]


def trials_of(study: Study) -> list[FrozenTrial]:
    """Return the trials of a stored study; as `read_trials`."""
    return read_trials(storage_of(study), study_id(study))


def read_trials(storage: BaseStorage, study_id: int) -> list[FrozenTrial]:
    """Return the trials of a study in the order of their numbers; they are not to be changed.

    Raises whatever the storage and a damaged row in it make their readers raise.
    """
    backend = backend_of(storage)
    if not isinstance(backend, RDBStorage):
        return storage.get_all_trials(study_id, deepcopy=False)
    with Session(backend.engine) as session:
        return _read(session, study_id)


def _read(session: Session, study_id: int) -> list[FrozenTrial]:
    # Trials are read first. Of one that ends meanwhile the state is then the older one, and its values are ignored.
    trial = models.TrialModel
    wanted = select(trial.trial_id, trial.number, trial.state, trial._datetime_start_utc, trial._datetime_complete_utc)
    found: dict[int, FrozenTrial] = {}
    for trial_id, number, state, started, ended in session.execute(wanted.where(trial.study_id == study_id)):
        found[trial_id] = FrozenTrial(
            number, state, None, _local(started), _local(ended),
            params={}, distributions={}, user_attrs={}, system_attrs={}, intermediate_values={}, trial_id=trial_id,
        )  # fmt: skip
    _add_params(session, study_id, found)
    for model, name in (
        (models.TrialUserAttributeModel, "user_attrs"),
        (models.TrialSystemAttributeModel, "system_attrs"),
    ):
        for trial_id, key, value_json in _rows(session, study_id, model, model.key, model.value_json):
            if trial_id in found:
                getattr(found[trial_id], name)[key] = json.loads(value_json)
    _add_values(session, study_id, found)
    return sorted(found.values(), key=lambda trial: trial.number)


def _local(moment: datetime | None) -> datetime | None:
    """Return a moment of the database, which is in UTC, in this machine's time, as Optuna does."""
    return None if moment is None else moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)


def _rows(session: Session, study_id: int, model: Any, *columns: Any) -> Any:
    """Return rows of a table of trials' properties: the trial's identity, then the columns."""
    wanted = select(model.trial_id, *columns).join(models.TrialModel, models.TrialModel.trial_id == model.trial_id)
    return session.execute(wanted.where(models.TrialModel.study_id == study_id))


def _add_params(session: Session, study_id: int, found: dict[int, FrozenTrial]) -> None:
    model = models.TrialParamModel
    known: dict[str, tuple[BaseDistribution, Callable[[float], Any]]] = {}
    rows = _rows(session, study_id, model, model.param_name, model.param_value, model.distribution_json)
    for trial_id, name, value, text in rows:
        if trial_id not in found:
            continue
        if text not in known:
            distribution = json_to_distribution(text)
            known[text] = distribution, distribution.to_external_repr
        distribution, external = known[text]
        trial = found[trial_id]
        trial.params[name] = external(value)
        trial.distributions[name] = distribution


def _add_values(session: Session, study_id: int, found: dict[int, FrozenTrial]) -> None:
    one = models.TrialIntermediateValueModel
    columns = (one.step, one.intermediate_value, one.intermediate_value_type)
    for trial_id, step, value, kind in _rows(session, study_id, one, *columns):
        if trial_id in found:
            found[trial_id].intermediate_values[step] = one.stored_repr_to_intermediate_value(value, kind)
    model = models.TrialValueModel
    values: dict[int, dict[int, float]] = {}
    for trial_id, objective, value, kind in _rows(
        session, study_id, model, model.objective, model.value, model.value_type
    ):
        if trial_id in found:
            values.setdefault(trial_id, {})[objective] = model.stored_repr_to_value(value, kind)
    for trial_id, of_trial in values.items():
        found[trial_id].values = [of_trial[objective] for objective in sorted(of_trial)]
