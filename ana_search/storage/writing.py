"""Writing trials: one transaction for a trial's start, one for each report and one for its end.

Optuna writes a trial with 60 parameters in some 180 statements, and counts trials by reading all that have not
finished: a tenth of a second and more for each trial. In a relational database the same rows go in with a few
statements here; every other storage is written through Optuna's own methods.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol, cast

from optuna import Study
from optuna.distributions import distribution_to_json
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Engine, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ana_search.errors import LeaseError
from ana_search.storage.attributes import Attributes
from ana_search.storage.private import backend_of, storage_of, study_id

__all__ = ["NumberTakenError", "TrialWriter", "is_same_start", "started_now", "trial_writer", "writer_of"]

_NONE: Attributes = {}


class NumberTakenError(Exception):
    """The storage has given a new trial another number than expected; the trial was not added."""


class TrialWriter(Protocol):
    """Writes the trials of one study. Each method may be repeated after an error of the storage."""

    def count(self) -> int:
        """Return how many trials the study has."""
        ...

    def create(self, trial: FrozenTrial, number: int | None = None) -> int:
        """Add a running trial with its parameters and attributes; return its identity in the storage.

        Raises `NumberTakenError`, and adds nothing, if ``number`` is given and the trial would have another.
        """
        ...

    def fill(self, trial_id: int, trial: FrozenTrial) -> None:
        """Give a trial that waits its parameters and attributes, and set it to RUNNING.

        Raises `ValueError` where the storage does not take a parameter, because of what others have put into it.
        """
        ...

    def report(self, trial_id: int, step: int, value: float, system_attributes: Attributes) -> None:
        """Record the value of a rung, and what the pruner notes about it."""
        ...

    def finish(
        self,
        trial_id: int,
        state: TrialState,
        values: Sequence[float] | None,
        attributes: Attributes,
        system_attributes: Attributes = _NONE,
    ) -> None:
        """End a trial, with user attributes, and what samplers read. Raises `LeaseError` if something else ended it."""
        ...


def started_now(trial: FrozenTrial) -> FrozenTrial:
    """Return a running trial with the parameters and attributes of another, started at this moment."""
    template = create_trial(
        state=TrialState.RUNNING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs,
        system_attrs=trial.system_attrs,
    )
    template.datetime_start = datetime.now()
    return template


def is_same_start(stored: FrozenTrial, trial: FrozenTrial) -> bool:
    """Return whether a stored trial is what an earlier try to write ``trial`` has left."""
    return stored.params == trial.params and stored.user_attrs == trial.user_attrs


def writer_of(study: Study) -> TrialWriter:
    """Return the fastest writer for a study."""
    return trial_writer(storage_of(study), study_id(study))


def trial_writer(storage: BaseStorage, study_id: int) -> TrialWriter:
    """Return the fastest writer for a study in this storage."""
    backend = backend_of(storage)
    if isinstance(backend, RDBStorage):
        return _DatabaseWriter(backend.engine, study_id)
    return _PlainWriter(storage, study_id)


class _PlainWriter:
    """Writes by Optuna's own methods."""

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id

    def count(self) -> int:
        return self._storage.get_n_trials(self._study_id)

    def create(self, trial: FrozenTrial, number: int | None = None) -> int:
        if number is not None and self.count() != number:
            raise NumberTakenError
        return int(self._storage.create_new_trial(self._study_id, template_trial=trial))

    def fill(self, trial_id: int, trial: FrozenTrial) -> None:
        # RUNNING comes last: a driver that dies in between leaves a trial that waits, and is filled again.
        known = self._storage.get_trial(trial_id).params
        for key, value in trial.user_attrs.items():
            self._storage.set_trial_user_attr(trial_id, key, value)
        for name, distribution in trial.distributions.items():
            if name not in known:
                value = distribution.to_internal_repr(trial.params[name])
                self._storage.set_trial_param(trial_id, name, value, distribution)
        self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)

    def report(self, trial_id: int, step: int, value: float, system_attributes: Attributes) -> None:
        self._storage.set_trial_intermediate_value(trial_id, step, value)
        for key, mark in system_attributes.items():
            self._storage.set_trial_system_attr(trial_id, key, mark)

    def finish(
        self,
        trial_id: int,
        state: TrialState,
        values: Sequence[float] | None,
        attributes: Attributes,
        system_attributes: Attributes = _NONE,
    ) -> None:
        if _has_ended(self._storage.get_trial(trial_id).state, state, trial_id):
            return
        for key, value in attributes.items():  # before the state, because Optuna refuses attributes of a finished trial
            self._storage.set_trial_user_attr(trial_id, key, value)
        for key, value in system_attributes.items():
            self._storage.set_trial_system_attr(trial_id, key, value)
        self._storage.set_trial_state_values(trial_id, state, values)


class _DatabaseWriter:
    """Writes by a few statements on Optuna's tables. Numbers and times are made as Optuna makes them."""

    def __init__(self, engine: Engine, study_id: int) -> None:
        self._engine, self._study_id = engine, study_id

    def count(self) -> int:
        with self._transaction() as session:
            wanted = select(func.count()).where(models.TrialModel.study_id == self._study_id)
            return session.execute(wanted).scalar_one()

    def create(self, trial: FrozenTrial, number: int | None = None) -> int:
        with self._transaction() as session:
            models.StudyModel.find_or_raise_by_id(self._study_id, session, for_update=True)
            row = models.TrialModel(study_id=self._study_id, number=None, state=trial.state)
            row.datetime_start = trial.datetime_start
            session.add(row)
            session.flush()
            row.number = row.count_past_trials(session)
            if number is not None and row.number != number:
                raise NumberTakenError
            trial_id = int(row.trial_id)
            _put_params(session, trial_id, trial)
            _put(session, models.TrialUserAttributeModel, trial_id, trial.user_attrs, new=True)
            _put(session, models.TrialSystemAttributeModel, trial_id, trial.system_attrs, new=True)
        return trial_id

    def fill(self, trial_id: int, trial: FrozenTrial) -> None:
        with self._transaction() as session:
            row = models.TrialModel.find_or_raise_by_id(trial_id, session, for_update=True)
            session.execute(delete(models.TrialParamModel).where(models.TrialParamModel.trial_id == trial_id))
            _put_params(session, trial_id, trial)
            _put(session, models.TrialUserAttributeModel, trial_id, trial.user_attrs)
            row.state = TrialState.RUNNING
            row.datetime_start = datetime.now()

    def report(self, trial_id: int, step: int, value: float, system_attributes: Attributes) -> None:
        model = models.TrialIntermediateValueModel
        stored, kind = model.intermediate_value_to_stored_repr(value)
        with self._transaction() as session:
            session.execute(delete(model).where(model.trial_id == trial_id, model.step == step))
            row = {"trial_id": trial_id, "step": step, "intermediate_value": stored, "intermediate_value_type": kind}
            session.execute(insert(model), [row])
            _put(session, models.TrialSystemAttributeModel, trial_id, system_attributes)

    def finish(
        self,
        trial_id: int,
        state: TrialState,
        values: Sequence[float] | None,
        attributes: Attributes,
        system_attributes: Attributes = _NONE,
    ) -> None:
        model = models.TrialValueModel
        with self._transaction() as session:
            trial = models.TrialModel.find_or_raise_by_id(trial_id, session, for_update=True)
            if _has_ended(cast(TrialState, trial.state), state, trial_id):
                return
            _put(session, models.TrialUserAttributeModel, trial_id, attributes)
            _put(session, models.TrialSystemAttributeModel, trial_id, system_attributes)
            rows = []
            for objective, value in enumerate(values or ()):
                stored, kind = model.value_to_stored_repr(value)
                rows.append({"trial_id": trial_id, "objective": objective, "value": stored, "value_type": kind})
            if rows:
                session.execute(insert(model), rows)
            trial.state = state
            trial.datetime_complete = datetime.now()

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        """Commit what the block does; its database's errors become Optuna's, as everywhere in Optuna."""
        try:
            with Session(self._engine) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            raise StorageInternalError("the database refused a transaction") from error


def _has_ended(stored: TrialState, wanted: TrialState, trial_id: int) -> bool:
    """Return whether a trial has ended as wanted: an earlier try succeeded, and only the database's answer was lost."""
    if stored.is_finished() and stored != wanted:
        raise LeaseError(
            f"the trial with the identity {trial_id} in the storage is {stored.name} and was to become {wanted.name}: "
            "something else has ended it; allowed: one driver a study"
        )
    return stored.is_finished()


def _put_params(session: Session, trial_id: int, trial: FrozenTrial) -> None:
    params = [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": distribution.to_internal_repr(trial.params[name]),
            "distribution_json": distribution_to_json(distribution),
        }
        for name, distribution in trial.distributions.items()
    ]
    if params:
        session.execute(insert(models.TrialParamModel), params)


def _put(session: Session, model: Any, trial_id: int, attributes: Attributes, new: bool = False) -> None:
    """Write the attributes of a trial; unless it is ``new``, in the place of those of the same name."""
    if not attributes:
        return
    if not new:
        session.execute(delete(model).where(model.trial_id == trial_id, model.key.in_(list(attributes))))
    rows = [{"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in attributes.items()]
    session.execute(insert(model), rows)
