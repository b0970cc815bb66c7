"""A storage as the dashboard sees it: without what is long or secret."""

import copy
from collections.abc import Container, Mapping, Sequence
from typing import Any

from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ana_search.storage import private
from ana_search.storage.attributes import LEFT_OUT, SPEC_ATTRIBUTE, Attributes
from ana_search.storage.belonging import SearchedSpace, left_out_reason
from ana_search.storage.lease import LEASE_ATTRIBUTE
from ana_search.storage.urls import hide_password

__all__ = ["ShownStorage", "UnwrittenStorage"]

_HIDDEN = frozenset(
    {SPEC_ATTRIBUTE, LEASE_ATTRIBUTE}
)  # kilobytes of JSON on one line, and what drivers write for each other
_MOST_CURVES = 1_000  # trials with a curve: the pages ask for all trials at once, and draw every curve


class ShownStorage:
    """Everything that ``storage`` does, but that trials and studies are shown without long attributes.

    Where a text attribute holds an address with a password, the password is masked. A trial's intermediate values are
    its accuracies by epoch, where these are known (see `show_curves`).
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self._curves: Mapping[int, Mapping[int, float]] = {}

    def show_curves(self, curves: Mapping[int, Mapping[int, float]], best: Sequence[int]) -> None:
        """Show these accuracies by epoch as the trials' intermediate values; of very many trials those of the best.

        The storage holds one value a rung, which is what pruners compare: the curve of a network that is still
        annealed says little, and would mislead them.
        """
        if len(curves) > _MOST_CURVES:
            curves = {number: curves[number] for number in best[:_MOST_CURVES] if number in curves}
        self._curves = curves

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_all_studies(self) -> list[private.FrozenStudy]:
        """Return all studies, oldest first."""
        studies = [copy.copy(study) for study in self._storage.get_all_studies()]
        for study in studies:
            study.user_attrs = shown(study.user_attrs)
        return sorted(studies, key=private.study_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study."""
        space = self._space(study_id)
        seen = [self._trial(trial, space) for trial in self._storage.get_all_trials(study_id, deepcopy)]
        return [trial for trial in seen if states is None or trial.state in states]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return one trial."""
        trial = self._storage.get_trial(trial_id)
        for study in self._storage.get_all_studies():
            known = self._storage.get_all_trials(private.study_id(study), deepcopy=False)
            if any(private.trial_id(one) == trial_id for one in known):
                return self._trial(trial, self._space(private.study_id(study)))
        return trial

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the best trial of a study with one objective. Raises `ValueError` without a complete one."""
        complete = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.COMPLETE,))
        sign = -1.0 if self._storage.get_study_directions(study_id)[0] == StudyDirection.MAXIMIZE else 1.0
        if not complete:
            raise ValueError("no trial is complete")
        return min(complete, key=lambda trial: (_misses(trial), sign * trial.values[0], trial.number))

    def _trial(self, trial: FrozenTrial, space: SearchedSpace | None) -> FrozenTrial:
        """Return a trial as it is shown; one that is none of the study's has failed, without values and parameters."""
        seen = copy.copy(trial)
        seen.user_attrs = shown(trial.user_attrs)
        reason = None if space is None else left_out_reason(trial, space)
        if reason is not None:
            seen.state, seen.values, seen.params, seen.distributions = TrialState.FAIL, None, {}, {}
            seen.user_attrs = {**seen.user_attrs, LEFT_OUT: reason}
        elif trial.state == TrialState.COMPLETE and trial.number in self._curves:
            seen.intermediate_values = dict(self._curves[trial.number])
        return seen

    def _space(self, study_id: int) -> SearchedSpace | None:
        """Return what the study searches; ``None`` for a study that is not one of ana-search."""
        spec = self._storage.get_study_user_attrs(study_id).get(SPEC_ATTRIBUTE)
        return None if spec is None else SearchedSpace.from_json(spec)


def _misses(trial: FrozenTrial) -> bool:
    """Return whether a trial breaks a constraint."""
    return any(value > 0 for value in trial.constraints.values())


class UnwrittenStorage(ShownStorage):
    """A storage that cannot be written to: notes and figures, which are attributes of a study, stay in memory."""

    def __init__(self, storage: BaseStorage) -> None:
        super().__init__(storage)
        self._kept: dict[int, dict[str, object]] = {}

    def get_all_studies(self) -> list[private.FrozenStudy]:
        """Return all studies, oldest first, with the attributes that are kept here."""
        studies = super().get_all_studies()
        for study in studies:
            study.system_attrs = {**study.system_attrs, **self._kept.get(private.study_id(study), {})}
        return studies

    def get_study_system_attrs(self, study_id: int) -> Attributes:
        """Return the attributes of the storage and those that are kept here."""
        return {**self._storage.get_study_system_attrs(study_id), **self._kept.get(study_id, {})}

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Keep an attribute of a study in memory."""
        self._kept.setdefault(study_id, {})[key] = value


# Optuna's dashboard checks that it is given a `BaseStorage`; this class is registered as one instead of inheriting,
# so that every method which is not defined above is passed on.
BaseStorage.register(ShownStorage)


def shown(attributes: Attributes) -> dict[str, object]:
    """Return the attributes that are shown, with passwords masked."""
    return {
        key: hide_password(value) if isinstance(value, str) else value
        for key, value in attributes.items()
        if key not in _HIDDEN
    }
