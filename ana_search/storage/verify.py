"""Reading back what was written: whether a storage, opened anew, holds every result that was reported."""

import json
from collections.abc import Sequence

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy import text

from ana_search.storage.attributes import LEFT_OUT
from ana_search.storage.opening import open_storage
from ana_search.storage.private import backend_of, storage_of
from ana_search.storage.reading_trials import trials_of

__all__ = ["make_durable", "missing_results"]


def make_durable(study: optuna.Study) -> None:
    """Write SQLite's log to the disk: in WAL mode a commit survives the end of the process, but no loss of power."""
    backend = backend_of(storage_of(study))
    if isinstance(backend, RDBStorage) and backend.engine.dialect.name == "sqlite":
        with backend.engine.connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(FULL)"))


def missing_results(url: str, name: str, trials: Sequence[FrozenTrial]) -> list[int]:
    """Return the numbers of the finished trials that the storage does not hold as they are given here.

    The storage is opened anew, past every cache and every connection of this process. A trial counts as held if its
    state, values, parameters and all its user attributes are there; others may have been added. Trials that are none
    of the study's are not looked at.

    Raises:
        StorageError, KeyError: there is no such storage, or no such study in it.
    """
    study = optuna.load_study(study_name=name, storage=open_storage(url, create=False))
    stored = trials_of(study)
    return [
        trial.number
        for trial in trials
        if LEFT_OUT not in trial.user_attrs
        and trial.state.is_finished()
        and not (trial.number < len(stored) and _is_same(trial, stored[trial.number]))
    ]


def _is_same(trial: FrozenTrial, stored: FrozenTrial) -> bool:
    return (
        trial.number == stored.number
        and trial.state == stored.state
        and trial.values == stored.values
        and trial.params == stored.params
        and all(
            key in stored.user_attrs
            and (value == stored.user_attrs[key] or _as_stored(value) == stored.user_attrs[key])
            for key, value in trial.user_attrs.items()
        )
    )


def _as_stored(value: object) -> object:
    """Return a value as JSON gives it back: a tuple becomes a list."""
    return json.loads(json.dumps(value))
