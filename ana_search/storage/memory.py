"""A study in memory beside a stored one: what a sampler and a pruner look at, instead of reading the storage.

Trials have the same numbers in both. Identities of trials are not the same, which is why they stay in this file.
"""

import copy
from collections.abc import Container, Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from ana_search.objectives import OBJECTIVES
from ana_search.storage.attributes import Attributes
from ana_search.storage.private import set_system_attribute, study_id, system_attributes, trial_id
from ana_search.storage.record import TrialRecord

__all__ = ["CONSTRAINTS", "MemoryStudy", "directions_of"]


def directions_of(objectives: Sequence[str]) -> list[StudyDirection]:
    """Return Optuna's direction of each objective."""
    return [StudyDirection.MAXIMIZE if OBJECTIVES[name].maximise else StudyDirection.MINIMIZE for name in objectives]


CONSTRAINTS = "constraints"
"""The system attribute in which Optuna, its samplers and its dashboard look for what a trial's constraints miss."""


class _SampledStorage(InMemoryStorage):
    """Trials as a sampler should see them: what was ended before its last epoch counts by what is known of it.

    Optuna's samplers for several objectives pass over pruned trials or fail at them, and its genetic algorithm passes
    over those that broke a constraint. Here such a trial has a result: the accuracy of its last rung (0 where there is
    none) and the figures that are known before training. `all` are the trials as they are.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names
        self._seen: dict[int, FrozenTrial] = {}

    def all(self, study_id: int) -> list[FrozenTrial]:
        """Return the trials as they are."""
        return super().get_all_trials(study_id, deepcopy=False)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials as a sampler should see them."""
        if states == (TrialState.WAITING,):
            return super().get_all_trials(study_id, deepcopy, states)
        seen = [self._as_result(trial) for trial in self.all(study_id)]
        chosen = [trial for trial in seen if states is None or trial.state in states]
        return copy.deepcopy(chosen) if deepcopy else chosen

    def _as_result(self, trial: FrozenTrial) -> FrozenTrial:
        if trial.state != TrialState.PRUNED:
            return trial
        misses = any(value > 0 for value in trial.system_attrs.get(CONSTRAINTS, ()))
        if len(self._names) == 1 and not misses:
            return trial
        if trial.number not in self._seen:
            record = TrialRecord.of(trial)
            result = copy.copy(trial)
            accuracy = record.reports[max(record.reports)] if record.reports else 0.0
            result.state = TrialState.COMPLETE
            result.values = [accuracy, *(record.figures[name] for name in self._names[1:])]
            self._seen[trial.number] = result
        return self._seen[trial.number]


class MemoryStudy:
    """A study in memory.

    Args:
        name: of the study.
        objectives: their names (see `ana_search.objectives`).
        pruner: ends trials at their rungs.
    """

    def __init__(self, name: str, objectives: Sequence[str], pruner: BasePruner) -> None:
        self._storage = _SampledStorage(objectives)
        self.study = optuna.create_study(
            study_name=name, storage=self._storage, directions=directions_of(objectives), pruner=pruner
        )
        self._id = study_id(self.study)

    def trials(self) -> list[FrozenTrial]:
        """Return all trials in the order of their numbers; not to be changed."""
        return self._storage.all(self._id)

    def add(self, trial: FrozenTrial) -> None:
        """Add a trial as it is; it gets the next number."""
        self._storage.create_new_trial(self._id, template_trial=trial)

    def ask(self, sampler: BaseSampler) -> Trial:
        """Return the first trial that waits, or a new one, with parameters for the sampler to draw."""
        self.study.sampler = sampler
        return self.study.ask()

    def start(self, params: Mapping[str, object], distributions: Mapping[str, BaseDistribution]) -> Trial:
        """Return a new running trial that has its parameters already."""
        template = create_trial(state=TrialState.RUNNING, params=dict(params), distributions=dict(distributions))
        return Trial(self.study, self._storage.create_new_trial(self._id, template))

    def describe(self, trial: Trial, attributes: Attributes) -> FrozenTrial:
        """Give a trial its attributes; return it as it then is."""
        for key, value in attributes.items():
            trial.set_user_attr(key, value)
        return self._storage.get_trial(trial_id(trial))

    def report(self, trial: Trial, value: float, step: int) -> tuple[bool, Attributes]:
        """Report a value to the pruner; return whether it ends the trial, and what it has noted about it."""
        known = dict(self.trials()[trial.number].system_attrs)
        # Not `trial.report` and `should_prune`, which refuse a study with several objectives.
        self._storage.set_trial_intermediate_value(trial_id(trial), step, value)
        pruned = self.study.pruner.prune(self.study, self._storage.get_trial(trial_id(trial)))
        marks = self.trials()[trial.number].system_attrs
        return pruned, {key: mark for key, mark in marks.items() if mark != known.get(key)}

    def end(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float] | None,
        attributes: Attributes,
        system: Attributes | None = None,
    ) -> None:
        """End a trial, with its values, its attributes, and those that samplers read."""
        identity = trial_id(self.trials()[number])
        for key, value in attributes.items():
            self._storage.set_trial_user_attr(identity, key, value)
        for key, value in (system or {}).items():
            self._storage.set_trial_system_attr(identity, key, value)
        self._storage.set_trial_state_values(identity, state, values)

    def sampler_state(self) -> Attributes:
        """Return what samplers keep in the study: the places that quasi-random sequences have come to."""
        return {name: value for name, value in system_attributes(self.study).items() if _belongs_to_sampler(name)}

    def take_sampler_state(self, attributes: Attributes) -> None:
        """Take over from the system attributes of the stored study what samplers keep there."""
        for name, value in attributes.items():
            if _belongs_to_sampler(name):
                set_system_attribute(self.study, name, value)


def _belongs_to_sampler(name: str) -> bool:
    """Return whether a study's system attribute is that of Optuna's quasi-Monte Carlo sampler."""
    return "qmc" in name.lower()
