"""A study in a few numbers: how far it is, and what is best.

Looking at a study must be quick: what knows networks and data sets (and with them torch, which takes seconds to
load) is imported only where it is used.
"""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ana_search.storage import StudyPlace, locate
from ana_search.storage.attributes import is_finished
from ana_search.storage.lease import holder_of
from ana_search.storage.locate import REQUESTED_ATTRIBUTE

__all__ = ["best_trials", "pareto_trials", "study_status"]


def study_status(study: str | Path, storage: str | None = None, runs: str | Path | None = None) -> dict[str, Any]:
    """Return the state of a study: ``study, states, finished, requested, best, retries`` and more.

    ``failures`` counts the reasons of trials that failed or diverged; ``driver`` says who holds the study,
    ``workers`` what runs; ``remaining_seconds`` is an estimate, present while a driver runs.
    """
    place = locate(study, storage, runs)
    stored = place.open()
    trials = stored.get_trials(deepcopy=False)
    requested = _requested(place, stored)
    finished = [trial for trial in trials if is_finished(trial)]
    holder = holder_of(stored)
    best = _best(stored, 1)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    states = Counter(trial.state.name for trial in trials)
    return {
        "study": place.name,
        "states": {state.name: states[state.name] for state in TrialState},
        "finished": len(finished),
        "requested": requested,
        "best": _brief(best[0]) if best else None,
        "retries": sum("retry_of" in trial.user_attrs for trial in trials),
        "failures": dict(Counter(str(t.user_attrs["reason"]) for t in trials if "reason" in t.user_attrs)),
        "driver": None if holder is None else holder.describe(),
        "workers": [{"trial": trial.number, "seconds": _seconds_since(trial)} for trial in running],
        "remaining_seconds": None if holder is None else _remaining(finished, requested, len(running)),
    }


def best_trials(
    study: str | Path, *, top: int = 10, storage: str | None = None, runs: str | Path | None = None
) -> list[dict[str, Any]]:
    """Return the best complete trials, best first: ``number, value, params, seed, plan_hash``.

    Those that were exported have ``frozen``, the validation accuracy of their integer network, too.
    """
    place = locate(study, storage, runs)
    stored = place.open()
    return [
        _brief(trial)
        | {"seed": trial.user_attrs.get("seed"), "plan_hash": trial.user_attrs.get("plan_hash")}
        | ({"values": trial.values} if len(trial.values or []) > 1 else {})
        | _frozen(place, trial.number)
        for trial in _best(stored, top)
    ]


def pareto_trials(study: str | Path, *, storage: str | None = None, runs: str | Path | None = None) -> list[int]:
    """Return the numbers of the trials that no other is better than in every objective."""
    return [trial.number for trial in locate(study, storage, runs).open().best_trials]


def _requested(place: StudyPlace, study: optuna.Study) -> int:
    requested = study.user_attrs.get(REQUESTED_ATTRIBUTE)
    if isinstance(requested, int):
        return requested
    from ana_search.space import requested_trials

    return requested_trials(place.spec(study))


def _best(study: optuna.Study, top: int) -> list[FrozenTrial]:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted((t for t in complete if t.values), key=lambda trial: (-trial.values[0], trial.number))[:top]


def _brief(trial: FrozenTrial) -> dict[str, Any]:
    return {"number": trial.number, "value": trial.values[0], "params": trial.params}


def _frozen(place: StudyPlace, number: int) -> dict[str, float]:
    """Return the accuracy that an export measured of a trial's integer network, if there was one."""
    file = place.folder.frozen(number)
    return {"frozen": json.loads(file.read_text())["accuracy"]} if file.is_file() else {}


def _seconds_since(trial: FrozenTrial) -> float | None:
    return None if trial.datetime_start is None else round(time.time() - trial.datetime_start.timestamp(), 1)


def _remaining(finished: list[FrozenTrial], requested: int, workers: int) -> float | None:
    """Return the seconds that the missing trials take at the mean of the finished ones."""
    taken = [float(trial.user_attrs["seconds"]) for trial in finished if "seconds" in trial.user_attrs]
    if not taken:
        return None
    return round((requested - len(finished)) * sum(taken) / len(taken) / max(1, workers), 1)
