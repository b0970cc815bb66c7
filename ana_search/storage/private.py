"""The private parts of Optuna's studies and trials that are needed here: nothing else in the package touches them.

Optuna's public interface has no way to write an attribute of its own kind, to end a trial that another process began,
or to name a study or a trial to a storage. What is used below is the same in all versions that pyproject.toml allows
(`tests/test_dependencies.py` says when a newer one comes).
"""

from typing import Any

from optuna import Study
from optuna.storages import BaseStorage
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, Trial

from ana_search.storage.attributes import Attributes

__all__ = [
    "FrozenStudy",
    "backend_of",
    "set_system_attribute",
    "storage_of",
    "study_id",
    "system_attributes",
    "trial_id",
]


def storage_of(study: Study) -> BaseStorage:
    """Return the storage that a study lies in."""
    return study._storage


def backend_of(storage: BaseStorage) -> BaseStorage:
    """Return what is behind a storage: Optuna wraps a database in a cache of finished trials."""
    backend: BaseStorage = getattr(storage, "_backend", storage)
    return backend


def study_id(study: Study | FrozenStudy) -> int:
    """Return the identity of a study in its storage."""
    return study._study_id


def trial_id(trial: FrozenTrial | Trial) -> int:
    """Return the identity of a trial in its storage, which is not its number."""
    return trial._trial_id


def system_attributes(study: Study) -> Attributes:
    """Return the attributes of a study that Optuna, its samplers and its dashboard write."""
    return study._storage.get_study_system_attrs(study._study_id)


def set_system_attribute(study: Study, name: str, value: Any) -> None:
    """Write such an attribute."""
    study._storage.set_study_system_attr(study._study_id, name, value)
