"""The study as the driver keeps it: in memory for the sampler, in the storage for everyone else.

A sampler reads all trials at every draw. It reads them from an in-memory study, filled from the storage once;
every change is written through to the storage: a trial's start in one transaction, each report and its end in one.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import optuna
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState

from ana_search.errors import AnaSearchError, LeaseLostError, StorageLostError
from ana_search.objectives import ACCURACY
from ana_search.runner.patience import Patience
from ana_search.space import TrialParams, make_pruner, make_sampler, suggest
from ana_search.space.draw import Suggester
from ana_search.storage.attributes import Attributes, study_attributes
from ana_search.storage.belonging import (
    SearchedSpace,
    is_left_out,
    left_out_attributes,
    left_out_reason,
    left_out_trial,
)
from ana_search.storage.memory import CONSTRAINTS, MemoryStudy
from ana_search.storage.private import set_system_attribute, system_attributes, trial_id
from ana_search.storage.reading_trials import trials_of
from ana_search.storage.record import TrialEnd, TrialRecord, TrialStart
from ana_search.storage.rescue import rescue
from ana_search.storage.writing import NumberTakenError, is_same_start, started_now, writer_of
from ana_search.study_file import StudySpec

__all__ = ["Ledger"]

_CONSTRAINED = (TrialState.COMPLETE, TrialState.PRUNED)


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
        self._writer = writer_of(study)
        self._patience = patience
        self._constraints = spec.study.limits
        self._memory = MemoryStudy(study.study_name, spec.study.objective, make_pruner(spec, _figures_of))
        self._open: dict[int, Trial] = {}
        self._ids: list[int] = []
        self._waiting: set[int] = set()
        self._take_in(self._patience(lambda: trials_of(study)))
        self._memory.take_sampler_state(self._patience(lambda: system_attributes(study)))
        self._attributes = self._patience(lambda: study_attributes(study))

    def rescue(self, folder: Path) -> Path:
        """Write all trials, as they are in memory, to a new database in ``folder``; return its path."""
        return rescue(self._memory.study, self.trials(), self._attributes, folder)

    def has_waiting(self) -> bool:
        """Return whether the study's user has put trials into the storage to be run."""
        return bool(self._waiting)

    def trials(self) -> list[FrozenTrial]:
        """Return all trials as Optuna has them, in the order of their numbers; not to be changed."""
        return self._memory.trials()

    def records(self) -> list[TrialRecord]:
        """Return all trials in the order of their numbers."""
        return [TrialRecord.of(trial) for trial in self.trials()]

    def record(self, number: int) -> TrialRecord:
        """Return one trial as it is now."""
        return TrialRecord.of(self.trials()[number])

    def start(
        self, params: TrialParams | None, describe: Callable[[int, TrialParams], TrialStart]
    ) -> TrialRecord | None:
        """Start a trial with these parameters, or with those of a trial that waits, or that the sampler draws.

        ``describe`` gives, of its number and its parameters, what is stored of the trial from its start. Returns the
        trial; it is in the storage, RUNNING, when this returns. Returns ``None`` if the next trial was one that waits
        and cannot be run: it has failed, which is told.
        """
        self._look_for_new()
        before = self._memory.sampler_state()
        trial = self._draw() if params is None else self._give(params)
        waited = trial.number < len(self._ids)  # in the storage, put there by the study's user
        self._waiting.discard(trial.number)
        try:
            drawn = _suggest(trial, self._spec)
            start = describe(trial.number, drawn)
        except (AnaSearchError, ValueError, TypeError, KeyError) as error:
            if not waited:
                raise
            self._refuse_waiting(trial, str(error))
            return None
        frozen = self._memory.describe(trial, start.attributes())
        if waited:
            try:
                self._write(self._writer.fill, self._ids[trial.number], frozen)
            except ValueError as error:
                self._refuse_waiting(trial, str(error))
                return None
        else:
            self._check()
            self._create(frozen)
        for name, value in self._memory.sampler_state().items():
            if value != before.get(name):
                self._write(set_system_attribute, self._stored, name, value)
        self._open[trial.number] = trial
        return TrialRecord.of(frozen)

    def report(self, number: int, value: float, step: int) -> bool:
        """Record the value of a rung; return whether the pruner ends the trial there."""
        trial = self._open[number]
        pruned, marks = self._memory.report(trial, value, step)
        self._write(self._writer.report, self._ids[number], step, value, marks)
        return pruned

    def finish(self, number: int, state: TrialState, values: Sequence[float] | None, end: TrialEnd) -> None:
        """End a trial, with its values and what is known of its end."""
        if values is None and state == TrialState.PRUNED and len(self._stored.directions) == 1:
            reported = self.trials()[number].intermediate_values
            values = [reported[max(reported)]] if reported else None
        missed = self._missed(self.record(number), values) if state in _CONSTRAINED else {}
        self._memory.end(number, state, values, end.attributes(), missed)
        self._write(self._writer.finish, self._ids[number], state, values, end.attributes(), missed)
        self._open.pop(number, None)

    def _missed(self, trial: TrialRecord, values: Sequence[float] | None) -> Attributes:
        """Return what a trial that ends misses each constraint by, as samplers read it.

        Without an accuracy (of a trial that was not trained, or diverged) it is that of its last rung, or 0.
        """
        if not self._constraints:
            return {}
        reported = trial.reports[max(trial.reports)] if trial.reports else 0.0
        known = {**trial.figures, ACCURACY: values[0] if values else reported}
        return {CONSTRAINTS: [one.violation(known[one.objective]) for one in self._constraints]}

    def _draw(self) -> Trial:
        """Return a new trial for the sampler, or one that the study's user put into the storage to be run."""
        # Every trial has a sampler of its own, seeded by its number: a study that was resumed draws what it would have.
        return self._memory.ask(make_sampler(self._spec, len(self.trials())))

    def _give(self, params: TrialParams) -> Trial:
        """Return a new trial that has these parameters already."""
        fixed = FixedTrial(params)
        _suggest(fixed, self._spec)
        return self._memory.start(fixed.params, fixed.distributions)

    def _create(self, frozen: FrozenTrial) -> None:
        """Write the start of a trial in one transaction; a repeated try finds what an earlier one wrote."""
        template = started_now(frozen)
        try:
            self._ids.append(self._patience(lambda: self._writer.create(template, frozen.number)))
        except NumberTakenError:
            stored = self._patience(lambda: self._stored.get_trials(deepcopy=False))
            newest = stored[-1] if stored else frozen
            if not (is_same_start(newest, frozen) and len(stored) == frozen.number + 1):
                raise self._driven_by_another(len(stored)) from None
            self._ids.append(trial_id(newest))

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
            self._ids.append(trial_id(trial))
            reason = left_out_reason(trial, self._space)
            if reason is None:
                if trial.state == TrialState.WAITING:
                    self._waiting.add(trial.number)
                self._memory.add(trial)
                continue
            if not is_left_out(trial):
                self._notice(f"trial {trial.number} ({trial.state.name}) is left out: {reason}")
            if trial.state == TrialState.WAITING:
                self._end_left_out(trial_id(trial), reason)
            self._memory.add(left_out_trial(reason))

    def _refuse_waiting(self, trial: Trial, reason: str) -> None:
        """End a trial that waited and cannot be run, in the storage and in memory."""
        self._notice(f"trial {trial.number} (WAITING) is left out: {reason}")
        self._memory.end(trial.number, TrialState.FAIL, None, left_out_attributes(reason))
        self._end_left_out(self._ids[trial.number], reason)

    def _end_left_out(self, identity: int, reason: str) -> None:
        self._write(self._writer.finish, identity, TrialState.FAIL, None, left_out_attributes(reason))

    def _write(self, write: Callable[..., object], *arguments: object) -> None:
        self._check()
        try:
            self._patience(lambda: write(*arguments))
        except KeyError as error:
            raise StorageLostError(
                f"study {self._stored.study_name!r} lacks a trial in the storage that was written there: an older or "
                "another database took its place"
            ) from error


def _figures_of(trial: FrozenTrial) -> Mapping[str, float]:
    return TrialRecord.of(trial).figures


def _suggest(trial: Trial | FixedTrial, spec: StudySpec) -> TrialParams:
    # Optuna declares that a categorical value may be None, which no choice of a study file is.
    return suggest(cast(Suggester, trial), spec)
