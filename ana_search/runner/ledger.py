"""The study as the driver keeps it: in memory for the sampler, in the storage for everyone else.

A sampler reads all trials at every draw. It reads them from an in-memory study, filled from the storage once;
every change is written through to the storage: a trial's start in one transaction, each report and its end in one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState, create_trial

from ana_search.errors import LeaseError
from ana_search.runner.patience import Patience
from ana_search.space import TrialParams, make_pruner, make_sampler, suggest
from ana_search.space.draw import Suggester
from ana_search.storage.writing import trial_writer
from ana_search.study_file import StudySpec

__all__ = ["Ledger"]


class Ledger:
    """The trials of one study; numbers are the same in memory and in the storage.

    Args:
        spec: the study.
        study: the stored study.
        patience: what to do while the storage is away.
    """

    def __init__(self, spec: StudySpec, study: optuna.Study, patience: Patience) -> None:
        self._spec = spec
        self._stored = study
        self._storage = study._storage
        self._study_id = study._study_id
        self._writer = trial_writer(study._storage, study._study_id)
        self._patience = patience
        self._memory = optuna.create_study(
            study_name=study.study_name,
            storage=InMemoryStorage(),
            directions=study.directions,
            pruner=make_pruner(spec),
        )
        self._open: dict[int, Trial] = {}
        self._ids: list[int] = []
        for trial in self._patience(lambda: study.get_trials(deepcopy=False)):
            self._ids.append(trial._trial_id)
            self._memory._storage.create_new_trial(self._memory._study_id, template_trial=trial)
        for key, value in self._patience(lambda: self._storage.get_study_system_attrs(self._study_id)).items():
            if _belongs_to_sampler(key):
                self._memory._storage.set_study_system_attr(self._memory._study_id, key, value)

    def has_waiting(self) -> bool:
        """Return whether the study's user has put trials into the storage to be run."""
        return any(trial.state == TrialState.WAITING for trial in self.trials())

    def trials(self) -> list[FrozenTrial]:
        """Return all trials in the order of their numbers; not to be changed."""
        return self._memory.get_trials(deepcopy=False)

    def start(
        self,
        params: TrialParams | None,
        attributes: Callable[[int, TrialParams], Mapping[str, Any]],
    ) -> tuple[int, TrialParams, dict[str, Any]]:
        """Start a trial with these parameters, or with parameters that the sampler draws.

        ``attributes`` gives, of its number and its parameters, the user attributes that the trial has from its
        start. Returns its number, its parameters and its attributes; it is in the storage, RUNNING, when this returns.
        """
        before = dict(self._memory._storage.get_study_system_attrs(self._memory._study_id))
        trial = self._draw() if params is None else self._give(params)
        drawn = _suggest(trial, self._spec)
        attrs = dict(attributes(trial.number, drawn))
        for key, value in attrs.items():
            trial.set_user_attr(key, value)
        frozen = self._memory._storage.get_trial(trial._trial_id)
        if trial.number < len(self._ids):  # it was waiting in the storage, put there by its user
            self._fill_waiting(self._ids[trial.number], frozen)
        else:
            self._ids.append(self._patience(lambda: self._create(frozen)))
        after = self._memory._storage.get_study_system_attrs(self._memory._study_id)
        for key in after:
            if _belongs_to_sampler(key) and after[key] != before.get(key):
                self._write(self._storage.set_study_system_attr, self._study_id, key, after[key])
        self._open[trial.number] = trial
        return trial.number, drawn, attrs

    def report(self, number: int, value: float, step: int) -> bool:
        """Record the value of a rung; return whether the pruner ends the trial there."""
        trial = self._open[number]
        known = dict(self.trials()[number].system_attrs)
        trial.report(value, step)
        pruned = trial.should_prune()
        marks = self.trials()[number].system_attrs.items()
        marks_made = {key: mark for key, mark in marks if mark != known.get(key)}
        self._write(self._writer.report, self._ids[number], step, value, marks_made)
        return pruned

    def finish(
        self, number: int, state: TrialState, values: Sequence[float] | None, attributes: Mapping[str, Any]
    ) -> None:
        """End a trial, with its values and attributes."""
        memory_id = self.trials()[number]._trial_id
        if values is None and state == TrialState.PRUNED and len(self._memory.directions) == 1:
            reported = self.trials()[number].intermediate_values
            values = [reported[max(reported)]] if reported else None
        for key, value in attributes.items():
            self._memory._storage.set_trial_user_attr(memory_id, key, value)
        self._memory._storage.set_trial_state_values(memory_id, state, values)
        self._write(self._writer.finish, self._ids[number], state, values, attributes)
        self._open.pop(number, None)

    def _draw(self) -> Trial:
        """Return a new trial for the sampler, or one that the study's user put into the storage to be run."""
        # A sampler of its own for every trial: draws then do not depend on how often the study was resumed.
        self._memory.sampler = make_sampler(self._spec, len(self.trials()))
        return self._memory.ask()

    def _give(self, params: TrialParams) -> Trial:
        """Return a new trial that has these parameters already."""
        fixed = FixedTrial(params)
        _suggest(fixed, self._spec)
        template = create_trial(state=TrialState.RUNNING, params=fixed.params, distributions=fixed.distributions)
        return Trial(self._memory, self._memory._storage.create_new_trial(self._memory._study_id, template))

    def _create(self, frozen: FrozenTrial) -> int:
        """Write the start of a trial in one transaction; a repeated try finds what an earlier one wrote."""
        existing = self._writer.count()
        if existing == frozen.number + 1 == len(self._ids) + 1:
            newest = self._stored.get_trials(deepcopy=False)[-1]
            if newest.params == frozen.params and newest.user_attrs == frozen.user_attrs:
                return newest._trial_id
        if existing != frozen.number:
            raise LeaseError(
                f"study {self._stored.study_name!r}: {existing} trials in the storage, {frozen.number} expected; "
                "something else adds trials to it; allowed: one driver a study"
            )
        template = create_trial(
            state=TrialState.RUNNING,
            params=frozen.params,
            distributions=frozen.distributions,
            user_attrs=frozen.user_attrs,
            system_attrs=frozen.system_attrs,
        )
        template.datetime_start = datetime.now()
        return self._writer.create(template)

    def _fill_waiting(self, trial_id: int, frozen: FrozenTrial) -> None:
        """Give a stored trial that waited its parameters and attributes, and set it to RUNNING."""
        self._write(self._storage.set_trial_state_values, trial_id, TrialState.RUNNING)
        for name, distribution in frozen.distributions.items():
            value = distribution.to_internal_repr(frozen.params[name])
            self._write(self._storage.set_trial_param, trial_id, name, value, distribution)
        for key, value in frozen.user_attrs.items():
            self._write(self._storage.set_trial_user_attr, trial_id, key, value)

    def _write(self, write: Callable[..., Any], *arguments: Any) -> None:
        self._patience(lambda: write(*arguments))


def _suggest(trial: Trial | FixedTrial, spec: StudySpec) -> TrialParams:
    # Optuna's types give a choice among values of several kinds back as one that may be None.
    return suggest(cast(Suggester, trial), spec)


def _belongs_to_sampler(key: str) -> bool:
    """Return whether a study's system attribute is the place that a quasi-random sequence has come to."""
    return "qmc" in key.lower()
