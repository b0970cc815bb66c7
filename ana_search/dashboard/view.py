"""A storage as the dashboard sees it: without what is long or secret."""

import copy
from collections.abc import Container
from typing import Any

from optuna.storages import BaseStorage
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from ana_search.storage import hide_password

__all__ = ["ShownStorage"]

# Kilobytes of JSON on one line (a trial's plan is a file of the run directory too), and the driver's own notes.
_HIDDEN = frozenset({"plan", "spec", "lease"})


class ShownStorage:
    """Everything that ``storage`` does, but that trials and studies are shown without long attributes.

    Where a text attribute holds an address with a password, the password is masked.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_all_studies(self) -> list[FrozenStudy]:
        """Return all studies, oldest first."""
        studies = [copy.copy(study) for study in self._storage.get_all_studies()]
        for study in studies:
            study.user_attrs = shown(study.user_attrs)
        return sorted(studies, key=lambda study: study._study_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study."""
        return [_trial(trial) for trial in self._storage.get_all_trials(study_id, deepcopy, states)]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return one trial."""
        return _trial(self._storage.get_trial(trial_id))

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the best trial of a study with one objective."""
        return _trial(self._storage.get_best_trial(study_id))


# The dashboard asks for an instance of Optuna's class; delegation keeps every method it has or will have.
BaseStorage.register(ShownStorage)


def shown(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that are shown, with passwords masked."""
    return {
        key: hide_password(value) if isinstance(value, str) else value
        for key, value in attributes.items()
        if key not in _HIDDEN
    }


def _trial(trial: FrozenTrial) -> FrozenTrial:
    seen = copy.copy(trial)
    seen.user_attrs = shown(trial.user_attrs)
    return seen
