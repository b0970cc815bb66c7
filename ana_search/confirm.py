"""Confirmation: the best parameters again, with fresh seeds, on the images that the search never saw.

The best of many trials owes part of its validation accuracy to luck (the winner's curse), and the search has chosen by
it. So the parameters are trained anew from seeds that no trial had, and each network is tested once on the
test part. Every result is kept in the run directory as soon as it is there: asking again reads it.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict, TypeGuard

import numpy as np
from scipy import stats

from ana_search.data import Dataset, load_dataset
from ana_search.errors import DamagedFileError, DataError, RequestError, StudyNotFoundError
from ana_search.files import write_durably
from ana_search.plan import DataPlan, TrainingPlan
from ana_search.planner import make_plan
from ana_search.reading import is_number, read_json
from ana_search.space import derive_seed
from ana_search.storage import StoredStudy, open_study
from ana_search.storage.provenance import StudyData
from ana_search.study_file.sections import data_plan
from ana_search.summary import RankedTrial, best_trials
from ana_search.training import FloatStore, evaluate, train

__all__ = ["LEVEL", "Confirmation", "confirm", "confirm_study", "confirmed", "interval"]

LEVEL = 0.95
_FILE = "confirm.json"
_EVERY = 10**9


Params = Mapping[str, int | float | str]


class _Run(TypedDict):
    """One fresh training run, as confirm.json has it; ``trained_on`` tells data and code of a network from others."""

    seed: int
    plan_hash: str
    validation: float
    test: float
    params: Params
    trained_on: NotRequired[str]


class FreshAccuracy(TypedDict):
    """The mean accuracy of networks trained anew on the test part, with the interval of this level."""

    mean: float
    low: float
    high: float
    level: float
    accuracies: list[float]


class ConfirmedSet(TypedDict):
    """What fresh runs of one set of parameters reached (see `confirm_study`)."""

    trials: list[int]
    search: float
    test: float
    low: float
    high: float
    validation: float
    accuracies: list[float]
    seeds: list[int]
    params: Params


class ConfirmedStudy(TypedDict):
    """What `confirm_study` returns, as ``confirm --format json`` prints it."""

    study: str
    level: float
    confirmed: list[ConfirmedSet]


@dataclass(frozen=True)
class Confirmation:
    """One fresh training run: its seed, and its accuracy on the validation and on the test part."""

    seed: int
    plan_hash: str
    validation: float
    test: float


def confirm(
    plans: Sequence[TrainingPlan],
    *,
    known: Mapping[str, Confirmation] | None = None,
    load: Callable[[DataPlan], Dataset] = load_dataset,
    keep: Callable[[Confirmation], None] | None = None,
    threads: int | None = None,
    floats: FloatStore | None = None,
) -> list[Confirmation]:
    """Train every plan and test its network once on the test part; return the results in order.

    Args:
        plans: what to train, one plan a seed.
        known: results by plan hash, which are not found again.
        load: how the data set of a plan is loaded.
        keep: called with every new result.
        threads: CPU threads to train with (default: as many as PyTorch has, which the environment may change).
        floats: where networks in floating point that runs learn from are kept.

    Raises:
        DivergedError, DataError, NetworkError: as `train`.
    """
    loaded: dict[DataPlan, Dataset] = {}
    results = []
    for plan in plans:
        result = (known or {}).get(plan.hash)
        if result is None:
            if plan.data.loaded not in loaded:
                loaded[plan.data.loaded] = load(plan.data.loaded)
            dataset = loaded[plan.data.loaded]
            if not len(dataset.test):
                raise RequestError(f"data set {plan.data.name!r} has no test images to confirm with")
            trained = train(plan, dataset=dataset, threads=threads, floats=floats)
            device = next(trained.network.parameters()).device
            test, _ = evaluate(trained.network, dataset.to(device), "test")
            result = Confirmation(plan.seed, plan.hash, trained.accuracy, test)
            if keep is not None:
                keep(result)
        results.append(result)
    return results


def interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float, float]:
    """Return mean, lower and upper end of Student's t interval of at least two independent values."""
    if len(values) < 2:
        raise RequestError(f"an interval needs at least 2 values, got {len(values)}")
    mean = float(np.mean(values))
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def confirm_study(
    study: str | Path | StoredStudy,
    *,
    top: int = 1,
    seeds: int = 5,
    storage: str | None = None,
    runs: str | Path | None = None,
    accept_changes: bool = False,
) -> ConfirmedStudy:
    """Confirm the best ``top`` parameter sets of a study with ``seeds`` fresh seeds each.

    Parameter sets are ranked by the mean value of their complete trials. Returns ``{study, level, confirmed:
    [{trials, search, test, low, high, validation, accuracies, seeds, params}]}``: ``search`` is the mean validation
    accuracy that the search saw, ``validation`` that of the fresh runs, ``test`` their mean test accuracy with its
    interval. ``accept_changes``: train on data, or with a network's code, that have changed since the study's start.

    Raises:
        StudyChangedError: they have, and that is not accepted.
        StudyNotFoundError: no such study, or none of its trials is complete.
        RequestError: fewer than 2 seeds, or no test images.
    """
    if seeds < 2:
        raise RequestError(f"--seeds {seeds}: an interval needs at least 2")
    stored = open_study(study, storage, runs)
    spec = stored.spec
    every = best_trials(stored, top=_EVERY)
    feasible = [trial for trial in every if "infeasible" not in trial]
    if every and not feasible:
        stored.notes.append("every complete trial breaks a constraint of the study; what is confirmed does so too")
    ranked = _ranked(feasible or every)
    if not ranked:
        raise StudyNotFoundError(f"study {stored.name!r} has no complete trial to confirm")
    file = stored.place.folder.path / _FILE
    fresh = [derive_seed(spec.study.seed, "confirm", number) for number in range(seeds)]
    entries, problem = _entries(file)
    if problem is not None:
        stored.damaged.append(f"{problem}; what it confirmed is confirmed again")
    known = {entry["plan_hash"]: _confirmation(entry) for entry in entries}
    data = StudyData(stored, accept_changes)
    with suppress(DataError):  # what is confirmed already needs no data, but other data than then are told of
        data.dataset(data_plan(spec.data, spec.quantiser).loaded)
    trained_on = data.digest()
    if trained_on is not None:
        known = {entry["plan_hash"]: _confirmation(entry) for entry in entries if _is_of(entry, trained_on)}
    floats = FloatStore(stored.place.folder.floats)
    rows: list[ConfirmedSet] = []
    for trials in ranked[:top]:
        for trial in trials:
            wrong = stored.weights_problem(trial["number"])
            if wrong is not None:
                stored.notes.append(f"{wrong}; what is confirmed are its parameters, trained anew")
        params = trials[0]["params"]
        plans = [make_plan(spec, params, seed) for seed in fresh]

        def keep(result: Confirmation, params: Params = params) -> None:
            known[result.plan_hash] = result
            _write(file, result, params, trained_on)

        results = confirm(
            plans, known=known, load=data.dataset, keep=keep, threads=spec.resources.threads, floats=floats
        )
        test, low, high = interval([result.test for result in results])
        rows.append(
            {
                "trials": [trial["number"] for trial in trials],
                "search": float(np.mean([trial["value"] for trial in trials])),
                "test": test,
                "low": low,
                "high": high,
                "validation": float(np.mean([result.validation for result in results])),
                "accuracies": [result.test for result in results],
                "seeds": fresh,
                "params": params,
            }
        )
    return {"study": stored.name, "level": LEVEL, "confirmed": rows}


def confirmed(folder: Path, params: Params) -> FreshAccuracy | None:
    """Return what was confirmed of a parameter set: ``{mean, low, high, level, accuracies}``; None for nothing.

    ``folder`` is the study's run directory. Where data or code were changed meanwhile, the latest runs count.
    """
    own = [entry for entry in _entries(folder / _FILE)[0] if entry["params"] == dict(params)]
    found = [entry["test"] for entry in own if entry.get("trained_on") == own[-1].get("trained_on")]
    if len(found) < 2:
        return None
    mean, low, high = interval(found)
    return {"mean": mean, "low": low, "high": high, "level": LEVEL, "accuracies": found}


def _ranked(trials: Sequence[RankedTrial]) -> list[list[RankedTrial]]:
    """Group trials by their parameters, the best mean first."""
    groups: dict[str, list[RankedTrial]] = {}
    for trial in trials:
        groups.setdefault(json.dumps(trial["params"], sort_keys=True), []).append(trial)
    return sorted(groups.values(), key=lambda group: -float(np.mean([trial["value"] for trial in group])))


def _entries(file: Path) -> tuple[list[_Run], str | None]:
    """Return the runs in a file of confirmations, and what is wrong with the file; none and ``None`` without one."""
    try:
        content = read_json(file)
    except FileNotFoundError:
        return [], None
    except DamagedFileError as error:
        return [], str(error)
    entries = content.get("runs") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        return [], f'{file}: has no list "runs"'
    right = [entry for entry in entries if _is_run(entry)]
    wrong = len(entries) - len(right)
    return right, f"{file}: {wrong} of its {len(entries)} runs are not whole" if wrong else None


def _is_run(entry: object) -> TypeGuard[_Run]:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("plan_hash"), str)
        and isinstance(entry.get("seed"), int)
        and isinstance(entry.get("params"), dict)
        and is_number(entry.get("validation"))
        and is_number(entry.get("test"))
    )


def _confirmation(run: _Run) -> Confirmation:
    return Confirmation(run["seed"], run["plan_hash"], run["validation"], run["test"])


def _is_of(entry: _Run, trained_on: str) -> bool:
    """Return whether a run was trained on these data; one of an older version, which does not say, is taken to be."""
    return entry.get("trained_on", trained_on) == trained_on


def _write(file: Path, result: Confirmation, params: Params, trained_on: str | None) -> None:
    run: _Run = {
        "seed": result.seed,
        "plan_hash": result.plan_hash,
        "validation": result.validation,
        "test": result.test,
        "params": dict(params),
    }
    if trained_on is not None:
        run["trained_on"] = trained_on
    entries, problem = _entries(file)
    if problem is not None and file.exists():
        file.replace(file.with_name(f"{file.name}.damaged"))  # for whoever wants to look at it
    write_durably(file, json.dumps({"runs": [*entries, run]}, indent=1))
