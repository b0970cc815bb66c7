"""A study in memory, written to a database of its own: what is left of it when its storage is lost."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna import Study
from optuna.distributions import distribution_to_json
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import insert
from sqlalchemy.orm import Session

from ana_search.files import new_file
from ana_search.storage.attributes import Attributes
from ana_search.storage.lease import LEASE_ATTRIBUTE
from ana_search.storage.private import system_attributes
from ana_search.storage.record import TrialEnd

__all__ = ["rescue"]

Row = dict[str, Any]
"""One row of a table: columns to values."""

_INTERRUPTED = TrialEnd(reason="interrupted when the storage was lost", retry="interrupted").attributes()


def rescue(study: Study, trials: Sequence[FrozenTrial], attributes: Attributes, folder: Path) -> Path:
    """Write a study to a new SQLite file in ``folder`` and return its path; any command takes it as a storage.

    Trials that were running are written as interrupted, so that a launch with that storage runs them again.

    Args:
        study: a study in memory.
        trials: its trials.
        attributes: the user attributes that the stored study had.
        folder: is made if it is missing.

    Raises:
        OSError: there is no room for it.
    """
    path = _unused(folder)
    with new_file(path) as unfinished:
        storage = RDBStorage(f"sqlite:///{unfinished}")
        try:
            optuna.create_study(study_name=study.study_name, storage=storage, directions=study.directions)
            study_id = storage.get_study_id_from_name(study.study_name)
            _copy_attributes(study, attributes, storage, study_id)
            with Session(storage.engine) as session, session.begin():
                _insert(session, study_id, trials)
        finally:
            storage.engine.dispose()
    return path


def _unused(folder: Path) -> Path:
    """Return the path of a file that is not there yet."""
    paths = (folder / f"rescued{'' if number == 1 else f'-{number}'}.db" for number in range(1, 1_000_000))
    return next(path for path in paths if not path.exists())


def _copy_attributes(study: Study, attributes: Attributes, storage: BaseStorage, study_id: int) -> None:
    for key, value in attributes.items():
        if key != LEASE_ATTRIBUTE:
            storage.set_study_user_attr(study_id, key, value)
    for key, value in system_attributes(study).items():
        storage.set_study_system_attr(study_id, key, value)


def _insert(session: Session, study_id: int, trials: Sequence[FrozenTrial]) -> None:
    """Insert all trials, with a few statements for each table: Optuna's own way takes ten milliseconds a trial."""
    rows: dict[Any, list[Row]] = {}
    for trial in trials:
        running = trial.state == TrialState.RUNNING
        trial_id = trial.number + 1
        row = models.TrialModel(trial_id=trial_id, study_id=study_id, number=trial.number)
        row.state = TrialState.FAIL if running else trial.state
        row.datetime_start = trial.datetime_start
        row.datetime_complete = datetime.now() if running else trial.datetime_complete
        session.add(row)
        attributes = {**trial.user_attrs, **(_INTERRUPTED if running else {})}
        for model, found in _rows_of(trial, attributes).items():
            rows.setdefault(model, []).extend({"trial_id": trial_id} | one for one in found)
    session.flush()
    for model, found in rows.items():
        if found:
            session.execute(insert(model), found)


def _rows_of(trial: FrozenTrial, attributes: Attributes) -> dict[Any, list[Row]]:
    """Return the rows of one trial in each of the tables that hold its parts."""
    values, reports = models.TrialValueModel, models.TrialIntermediateValueModel
    found: dict[Any, list[Row]] = {
        models.TrialParamModel: [
            {
                "param_name": name,
                "param_value": distribution.to_internal_repr(trial.params[name]),
                "distribution_json": distribution_to_json(distribution),
            }
            for name, distribution in trial.distributions.items()
        ],
        models.TrialUserAttributeModel: _attribute_rows(attributes),
        models.TrialSystemAttributeModel: _attribute_rows(trial.system_attrs),
        values: [],
        reports: [],
    }
    for objective, value in enumerate(trial.values or ()):
        stored, kind = values.value_to_stored_repr(value)
        found[values].append({"objective": objective, "value": stored, "value_type": kind})
    for step, value in trial.intermediate_values.items():
        stored, kind_of_report = reports.intermediate_value_to_stored_repr(value)
        found[reports].append({"step": step, "intermediate_value": stored, "intermediate_value_type": kind_of_report})
    return found


def _attribute_rows(attributes: Attributes) -> list[Row]:
    return [{"key": key, "value_json": json.dumps(value)} for key, value in attributes.items()]
