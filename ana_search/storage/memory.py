"""A study in memory beside a stored one: what a sampler and a pruner look at, instead of reading the storage.

Trials have the same numbers in both. Identities of trials are not the same, which is why they stay in this file.
"""

from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from ana_search.storage.attributes import Attributes
from ana_search.storage.private import set_system_attribute, storage_of, study_id, system_attributes, trial_id

__all__ = ["MemoryStudy"]


class MemoryStudy:
    """A study in memory.

    Args:
        name: of the study.
        directions: of its objectives.
        pruner: ends trials at their rungs.
    """

    def __init__(self, name: str, directions: Sequence[StudyDirection], pruner: BasePruner) -> None:
        self.study = optuna.create_study(
            study_name=name, storage=InMemoryStorage(), directions=directions, pruner=pruner
        )
        self._storage, self._id = storage_of(self.study), study_id(self.study)

    def trials(self) -> list[FrozenTrial]:
        """Return all trials in the order of their numbers; not to be changed."""
        return self.study.get_trials(deepcopy=False)

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
        trial.report(value, step)
        pruned = trial.should_prune()
        marks = self.trials()[trial.number].system_attrs
        return pruned, {key: mark for key, mark in marks.items() if mark != known.get(key)}

    def end(self, number: int, state: TrialState, values: Sequence[float] | None, attributes: Attributes) -> None:
        """End a trial, with its values and attributes."""
        identity = trial_id(self.trials()[number])
        for key, value in attributes.items():
            self._storage.set_trial_user_attr(identity, key, value)
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
