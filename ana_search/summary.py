"""A study in a few numbers: how far it is, and what is best.

Looking at a study must be quick: what knows networks and data sets (and with them torch, which takes seconds to
load) is imported only where it is used.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from optuna.trial import TrialState

from ana_search.errors import StudyVersionError
from ana_search.float_reference import FloatReference
from ana_search.objectives import ACCURACY, broken
from ana_search.storage import StoredStudy, open_study
from ana_search.storage.record import INTERRUPTED, TrialRecord

__all__ = ["BestTrial", "RankedTrial", "RunningTrial", "StudyStatus", "best_trials", "pareto_trials", "study_status"]


class BestTrial(TypedDict):
    """A complete trial: ``value`` is the first objective.

    ``figures`` are the other objectives and what constraints limit, by name; ``infeasible`` says which constraints it
    breaks, where it does.
    """

    number: int
    value: float
    params: Mapping[str, int | float | str]
    figures: NotRequired[Mapping[str, float]]
    infeasible: NotRequired[str]


class RankedTrial(BestTrial):
    """One of the best trials; ``values`` where there are two objectives, ``frozen`` where it was exported."""

    seed: int
    plan_hash: str
    values: NotRequired[Sequence[float]]
    frozen: NotRequired[float]


class RunningTrial(TypedDict):
    """A trial that a worker has, and for how long."""

    trial: int
    seconds: float | None


class StudyStatus(TypedDict):
    """What `study_status` returns, as ``status --format json`` prints it."""

    study: str
    states: Mapping[str, int]
    finished: int
    requested: int | None
    best: BestTrial | None
    retries: int
    failures: Mapping[str, int]
    interruptions: Mapping[str, int]
    left_out: Mapping[str, int]
    constraints: Sequence[str]
    infeasible: Mapping[str, int]
    driver: str | None
    workers: Sequence[RunningTrial]
    remaining_seconds: float | None
    reference: Sequence[FloatReference]


def study_status(
    study: str | Path | StoredStudy, storage: str | None = None, runs: str | Path | None = None
) -> StudyStatus:
    """Return the state of a study: ``study, states, finished, requested, best, retries`` and more.

    ``states`` counts trials by Optuna's state, but those that failed to be run again as ``INTERRUPTED``, and those that
    broke a constraint before they were trained as ``INFEASIBLE``. ``infeasible`` counts the trials that break each of
    the ``constraints``, trained or not; ``best`` is one of them only where no other is complete, and says so.
    ``failures`` counts the reasons of trials that failed, diverged or were interrupted, ``interruptions`` those of
    the interrupted alone, ``left_out`` those of trials that others put into the storage and that count nowhere;
    ``driver`` says who holds the study, ``workers`` what runs; ``remaining_seconds`` is an estimate, present while a
    driver runs. ``reference`` says what the network reaches in floating point, where trials learn from that or start
    from it.
    """
    stored = open_study(study, storage, runs)
    trials, requested = stored.trials, _requested(stored)
    finished = [trial for trial in trials if trial.is_finished]
    holder = stored.holder
    best = stored.complete()[:1]
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    states = Counter(trial.shown_state for trial in trials)
    return {
        "study": stored.name,
        "states": {state.name: 0 for state in TrialState} | states,
        "finished": len(finished),
        "requested": requested,
        "best": _brief(best[0], stored) if best else None,
        "retries": sum(trial.retry_of is not None for trial in trials),
        "failures": _reasons(trials),
        "interruptions": _reasons([trial for trial in trials if trial.shown_state == INTERRUPTED]),
        "left_out": dict(Counter(stored.left_out.values())),
        "constraints": [str(one) for one in stored.constraints],
        "infeasible": _infeasible(stored),
        "driver": None if holder is None else holder.describe(),
        "workers": [{"trial": trial.number, "seconds": _seconds_since(trial)} for trial in running],
        "remaining_seconds": None if holder is None else _remaining(finished, requested, len(running)),
        "reference": stored.float_references(),
    }


def best_trials(
    study: str | Path | StoredStudy, *, top: int = 10, storage: str | None = None, runs: str | Path | None = None
) -> list[RankedTrial]:
    """Return the best complete trials, best first: ``number, value, params, seed, plan_hash``.

    Those that were exported have ``frozen``, the validation accuracy of their integer network, too. Those that break
    one of the study's constraints come last, and have ``infeasible``.
    """
    stored = open_study(study, storage, runs)
    rows: list[RankedTrial] = []
    for trial in stored.complete()[:top]:
        assert trial.seed is not None
        assert trial.plan_hash is not None  # which no trial of the study lacks once it was started
        row: RankedTrial = {
            "number": trial.number,
            "value": trial.values[0],
            "params": trial.params,
            "seed": trial.seed,
            "plan_hash": trial.plan_hash,
        }
        _add_figures(row, trial, stored)
        if len(trial.values) > 1:
            row["values"] = trial.values
        frozen = stored.frozen_accuracy(trial.number)
        if frozen is not None:
            row["frozen"] = frozen
        rows.append(row)
    return rows


def pareto_trials(
    study: str | Path | StoredStudy, *, storage: str | None = None, runs: str | Path | None = None
) -> list[int]:
    """Return the numbers of the trials that no other is better than in every objective, all feasible."""
    return [trial.number for trial in open_study(study, storage, runs).pareto()]


def _reasons(trials: list[TrialRecord]) -> dict[str, int]:
    return dict(Counter(trial.reason for trial in trials if trial.reason is not None and trial.is_feasible))


def _infeasible(stored: StoredStudy) -> dict[str, int]:
    """Return how many trials break each constraint, as far as what it limits is known of them."""
    known = [trial.figures | ({ACCURACY: trial.values[0]} if trial.is_complete else {}) for trial in stored.trials]
    counts = {str(one): sum(bool(broken([one], values)) for values in known) for one in stored.constraints}
    return {name: count for name, count in counts.items() if count}


def _requested(stored: StoredStudy) -> int | None:
    """Return the finished trials that are wanted; ``None`` where another version wrote the study and it is not said."""
    if stored.requested is not None:
        return stored.requested
    from ana_search.space import requested_trials

    try:
        return requested_trials(stored.spec)
    except StudyVersionError as error:
        stored.notes.append(str(error))
        return None


def _brief(trial: TrialRecord, stored: StoredStudy) -> BestTrial:
    brief: BestTrial = {"number": trial.number, "value": trial.values[0], "params": trial.params}
    _add_figures(brief, trial, stored)
    return brief


def _add_figures(row: BestTrial, trial: TrialRecord, stored: StoredStudy) -> None:
    """Add what the study asks for besides accuracy, and which constraints the trial breaks."""
    wanted = dict.fromkeys([*stored.objectives[1:], *(one.objective for one in stored.constraints)])
    figures = {name: trial.figures[name] for name in wanted if name in trial.figures}
    if figures:
        row["figures"] = figures
    if trial.infeasible is not None:
        row["infeasible"] = trial.infeasible


def _seconds_since(trial: TrialRecord) -> float | None:
    """Return how long ago a trial was started; 0 where the clock has been set back since."""
    if trial.started is None:
        return None
    return max(0.0, round(time.time() - trial.started.timestamp(), 1))


def _remaining(finished: list[TrialRecord], requested: int | None, workers: int) -> float | None:
    """Return the seconds that the missing trials take at the mean of the finished ones."""
    taken = [trial.seconds for trial in finished if trial.seconds is not None]
    if not taken or requested is None:
        return None
    return round(max(0, requested - len(finished)) * sum(taken) / len(taken) / max(1, workers), 1)
