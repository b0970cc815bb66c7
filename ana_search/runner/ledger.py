"""The study as the driver keeps it: in memory for the sampler, in the storage for everyone else.

A sampler reads all trials at every draw. It reads them from an in-memory study, filled from the storage once;
every change is written through to the storage: a trial's start in one transaction, each report and its end in one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState, create_trial

from ana_search.errors import AnaSearchError, LeaseLostError, StorageLostError
from ana_search.runner.patience import Patience
from ana_search.space import TrialParams, make_pruner, make_sampler, suggest
from ana_search.space.draw import Suggester
from ana_search.storage.attributes import LEFT_OUT
from ana_search.storage.belonging import SearchedSpace, left_out_reason
from ana_search.storage.reading_trials import read_trials
from ana_search.storage.rescue import rescue
from ana_search.storage.writing import NumberTakenError, trial_writer
from ana_search.study_file import StudySpec

__all__ = ["Ledger"]


class Ledger:
    """The trials of one study; numbers are the same in memory and in the storage.

    Args:
        spec: the study.
        study: the stored study.
        patience: what to do while the storage is away.
        notice: told in one line of every trial that is left out because it is none of the study's.
        check: called before every write; raises if it must not be made, because the storage is another one now.
    """

    def __init__(
        self,
        spec: StudySpec,
        study: optuna.Study,
        patience: Patience,
        notice: Callable[[str], None] = lambda text: None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._spec = spec
        self._space = SearchedSpace.from_json(spec.to_json())
        self._notice = notice
        self._check = check
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
        self._waiting: set[int] = set()
        self._take_in(self._patience(lambda: read_trials(self._storage, self._study_id)))
        for key, value in self._patience(lambda: self._storage.get_study_system_attrs(self._study_id)).items():
            if _belongs_to_sampler(key):
                self._memory._storage.set_study_system_attr(self._memory._study_id, key, value)
        self._attributes = self._patience(lambda: study.user_attrs)

    def rescue(self, folder: Path) -> Path:
        """Write all trials, as they are in memory, to a new database in ``folder``; return its path."""
        return rescue(self._memory, self._attributes, folder)

    def has_waiting(self) -> bool:
        """Return whether the study's user has put trials into the storage to be run."""
        return bool(self._waiting)

    def trials(self) -> list[FrozenTrial]:
        """Return all trials in the order of their numbers; not to be changed."""
        return self._memory.get_trials(deepcopy=False)

    def start(
        self,
        params: TrialParams | None,
        attributes: Callable[[int, TrialParams], Mapping[str, Any]],
    ) -> tuple[int, TrialParams, dict[str, Any]] | None:
        """Start a trial with these parameters, or with those of a trial that waits, or that the sampler draws.

        ``attributes`` gives, of its number and its parameters, the user attributes that the trial has from its
        start. Returns its number, its parameters and its attributes; it is in the storage, RUNNING, when this returns.
        Returns ``None`` if the next trial was one that waits and cannot be run: it has failed, which is told.
        """
        self._look_for_new()
        before = dict(self._memory._storage.get_study_system_attrs(self._memory._study_id))
        trial = self._draw() if params is None else self._give(params)
        waited = trial.number < len(self._ids)  # in the storage, put there by the study's user
        self._waiting.discard(trial.number)
        try:
            drawn = _suggest(trial, self._spec)
            attrs = dict(attributes(trial.number, drawn))
        except (AnaSearchError, ValueError, TypeError, KeyError) as error:
            if not waited:
                raise
            self._refuse_waiting(trial, str(error))
            return None
        for key, value in attrs.items():
            trial.set_user_attr(key, value)
        frozen = self._memory._storage.get_trial(trial._trial_id)
        if waited:
            try:
                self._write(self._writer.fill, self._ids[trial.number], frozen)
            except ValueError as error:
                self._refuse_waiting(trial, str(error))
                return None
        else:
            self._check()
            self._create(frozen)
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

    def _create(self, frozen: FrozenTrial) -> None:
        """Write the start of a trial in one transaction; a repeated try finds what an earlier one wrote."""
        template = create_trial(
            state=TrialState.RUNNING,
            params=frozen.params,
            distributions=frozen.distributions,
            user_attrs=frozen.user_attrs,
            system_attrs=frozen.system_attrs,
        )
        template.datetime_start = datetime.now()
        try:
            self._ids.append(self._patience(lambda: self._writer.create(template, frozen.number)))
        except NumberTakenError:
            stored = self._patience(lambda: self._stored.get_trials(deepcopy=False))
            newest = stored[-1] if stored else frozen
            same = newest.params == frozen.params and newest.user_attrs == frozen.user_attrs
            if not (same and len(stored) == frozen.number + 1):
                raise self._driven_by_another(len(stored)) from None
            self._ids.append(newest._trial_id)

    def _look_for_new(self) -> None:
        """Take in what was put into the storage since the last trial: enqueued trials, or another program's."""
        known = len(self._ids)
        count = self._patience(self._writer.count)
        if count == known:
            return
        if count < known:
            raise StorageLostError(
                f"study {self._stored.study_name!r} has {count} trials in the storage, where {known} were written: an "
                "older or another database took its place"
            )
        new = self._patience(lambda: self._stored.get_trials(deepcopy=False))[known:]
        for trial in new:
            if trial.state != TrialState.WAITING and left_out_reason(trial, self._space) is None:
                raise self._driven_by_another(count)
        self._take_in(new)

    def _driven_by_another(self, count: int) -> LeaseLostError:
        return LeaseLostError(
            f"study {self._stored.study_name!r}: {count} trials in the storage, {len(self._ids)} "
            "expected; something else adds trials to it; allowed: one driver a study"
        )

    def _take_in(self, trials: Sequence[FrozenTrial]) -> None:
        """Add stored trials to the study in memory; of one that is not the study's own, only the number is kept."""
        for trial in trials:
            self._ids.append(trial._trial_id)
            reason = left_out_reason(trial, self._space)
            if reason is not None:
                if LEFT_OUT not in trial.user_attrs:
                    self._notice(f"trial {trial.number} ({trial.state.name}) is left out: {reason}")
                if trial.state == TrialState.WAITING:
                    self._end_left_out(trial._trial_id, reason)
                trial = create_trial(state=TrialState.FAIL, user_attrs={LEFT_OUT: reason})
            if trial.state == TrialState.WAITING:
                self._waiting.add(trial.number)
            self._memory._storage.create_new_trial(self._memory._study_id, template_trial=trial)

    def _refuse_waiting(self, trial: Trial, reason: str) -> None:
        """End a trial that waited and cannot be run, in the storage and in memory."""
        self._notice(f"trial {trial.number} (WAITING) is left out: {reason}")
        self._memory._storage.set_trial_user_attr(trial._trial_id, LEFT_OUT, reason)
        self._memory._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL, None)
        self._end_left_out(self._ids[trial.number], reason)

    def _end_left_out(self, trial_id: int, reason: str) -> None:
        self._write(self._writer.finish, trial_id, TrialState.FAIL, None, {"reason": reason, LEFT_OUT: reason})

    def _write(self, write: Callable[..., Any], *arguments: Any) -> None:
        self._check()
        try:
            self._patience(lambda: write(*arguments))
        except KeyError as error:
            raise StorageLostError(
                f"study {self._stored.study_name!r} lacks a trial in the storage that was written there: an older or "
                "another database took its place"
            ) from error


def _suggest(trial: Trial | FixedTrial, spec: StudySpec) -> TrialParams:
    # Optuna's types give a choice among values of several kinds back as one that may be None.
    return suggest(cast(Suggester, trial), spec)


def _belongs_to_sampler(key: str) -> bool:
    """Return whether a study's system attribute is the place that a quasi-random sequence has come to."""
    return "qmc" in key.lower()
