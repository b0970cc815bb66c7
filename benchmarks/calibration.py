"""Are the answers right? Coverage of the intervals and wrong verdicts, on tables whose truth is known.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py

Six planted truths under four conditions of a factorial (8 synchronisation levels x 4 shapes x 3 seeds), on 200 random
trials of a space with continuous offsets, and on adaptive searches (TPE, with and without pruning). Then the spaces
that people search (log ranges, conditional parameters, many layers, narrow optima, noise of other kinds), each sampled
at random and by pick-freeze; and factorials as people run them (`analysis.testing.planted_noise`), with the coverage
of what decisions cost.

The rows are kept in ``docs/results/calibration/calibration.json``, which is written after every case: a case that it
has with as many replications is left out, so that a run can be broken off and gone on with. ``--again`` measures cases
that are there once more. ``--only WORD`` keeps to the cases whose names hold the word. At the end the tables of
``docs/results/calibration/README.md`` are written from the rows (`benchmarks/calibration_page.py`).
"""

import argparse
import functools
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import scipy
from calibration_page import STORED
from calibration_page import main as renew

from analysis import attribute
from analysis.attribution import Attribution
from analysis.costs import decision_costs
from analysis.testing.planted import CASES, Planted, adaptive_frame, factorial_frame, mixed_frame
from analysis.testing.planted_noise import PEOPLES, FactorialCase, PlantedTable, planted_table
from analysis.testing.planted_space import SPACES, pick_freeze_frame, space_frame

GROUPS = {"synchronisation": ["interval", "power_law"], "shape": ["noise"]}
ATOL = 0.01
"""An interval's lower end of at most this counts as covering a true share of 0."""
UNDECIDED = "undecided"
"""The reason that is none: it says that the intervals are wide, not that they are not to be relied on."""

PICK_FREEZE_TRIALS = 400
SPACE_CASES = ("synchronisation 0.70, shape 0.05", "synchronisation 0.10, shape 0.60", "nothing")
"""The truths of the spaces that people search, each under two designs."""
ADAPTIVE_CASES = (*SPACE_CASES[:2], "nothing")


@dataclass(frozen=True)
class Table:
    """One table with its truth: arguments of `attribute`, true shares and verdict, and the costs where they are known.

    ``planted`` is the factorial with its cells' true means.
    """

    frame: pd.DataFrame
    shares: tuple[float, float]
    verdict: str
    options: dict[str, Any] = field(default_factory=dict)
    planted: PlantedTable | None = None


@dataclass(frozen=True)
class Case:
    """A condition, a truth, how its tables are made, and which of the three counts of replications it takes."""

    condition: str
    truth: str
    make: Callable[[np.random.Generator], Table]
    kind: str
    seed: int

    @property
    def name(self) -> tuple[str, str]:
        """The condition and the truth."""
        return self.condition, self.truth


Make = Callable[[Planted, np.random.Generator], pd.DataFrame]


def _planted(make: Make, truth: Planted, options: dict[str, Any], generator: np.random.Generator) -> Table:
    return Table(make(truth, generator), truth.shares, truth.verdict, options)


def _peoples(case: FactorialCase, generator: np.random.Generator) -> Table:
    table = planted_table(case, generator)
    shares = (table.shares["synchronisation"], table.shares["shape"])
    return Table(table.frame, shares, table.verdict, {"groups": table.groups, "draws": 800}, table)


def _conditions() -> Iterator[tuple[str, Make, dict[str, Any], str, tuple[str, ...]]]:
    """Name, maker, options, kind and truths of every condition whose truths are `Planted`."""
    every = tuple(CASES)
    plain: dict[str, Make] = {
        "factorial, normal noise": factorial_frame,
        "factorial, skewed and unequal noise": functools.partial(factorial_frame, noise="skewed"),
        "factorial, 5 % failed": functools.partial(factorial_frame, failed=0.05),
        "factorial, skewed and unequal noise, 5 % failed": functools.partial(
            factorial_frame, noise="skewed", failed=0.05
        ),
    }
    for name, make in plain.items():
        yield name, make, {"draws": 800}, "factorial", every
    yield "200 random trials, continuous offsets", mixed_frame, {"draws": 800}, "random", every
    for name, space in SPACES.items():
        options = {**space.options(), "draws": 800, "sampler": "random"}
        make = functools.partial(space_frame, space)
        yield f"{space.trials} random trials, {name}", make, options, "random", SPACE_CASES
    for name, space in SPACES.items():
        if not space.one_seed:
            make = functools.partial(pick_freeze_frame, space, trials=PICK_FREEZE_TRIALS)
            options = {**space.options(), "draws": 1500, "sampler": "pick_freeze"}
            yield f"{PICK_FREEZE_TRIALS} trials of pick-freeze, {name}", make, options, "random", SPACE_CASES


def cases() -> Iterator[Case]:
    """Every case, in the order of the page."""
    for number, (condition, make, options, kind, truths) in enumerate(_conditions()):
        for truth in truths:
            one = functools.partial(_planted, make, CASES[truth], options)
            yield Case(condition, truth, one, kind, 100 + number)
    for number, (condition, tables) in enumerate(PEOPLES.items()):
        for table in tables:
            yield Case(condition, table.text, functools.partial(_peoples, table), "factorial", 400 + number)
    adaptive: dict[str, Make] = {
        "TPE with pruning, 200 trials": adaptive_frame,
        "TPE without pruning, 200 trials": functools.partial(adaptive_frame, pruning=False),
    }
    for number, (condition, make) in enumerate(adaptive.items()):
        for truth in ADAPTIVE_CASES:
            one = functools.partial(_planted, make, CASES[truth], {"draws": 300})
            yield Case(condition, truth, one, "adaptive", 200 + number)


def covered(entry: Any, truth: float) -> bool:
    return entry["ci_low"] <= truth <= entry["ci_high"] or (truth == 0 and entry["ci_low"] <= ATOL)


def covered_costs(planted: PlantedTable, found: Attribution) -> tuple[int, int]:
    """How many levels' costs are covered, and how many there are."""
    decided = decision_costs(found.sample, found.layout, found.estimate, level=0.95, seed=0, draws=600)
    hits, count = 0, 0
    for axis, columns in enumerate(planted.groups.values()):
        for level, cost in decided.get(columns[0], {}).items():
            truth = planted.cost(axis, int(level.split()[1]))
            hits += cost.ci_low - 1e-9 <= truth <= cost.ci_high + 1e-9
            count += 1
    return hits, count


def measure(case: Case, replications: int) -> dict[str, Any]:
    """Analyse `replications` tables of one case; return coverage, bias and verdicts.

    ``relied_on`` is the part of the tables whose intervals no reason calls unreliable, ``coverage_relied_on`` the
    coverage there, and ``explained`` the part of all tables that are inconclusive with such a reason.
    """
    began = time.process_time()
    hits, relied_hits, relied = np.zeros(2), np.zeros(2), 0
    costs = np.zeros(2, dtype=int)
    errors: tuple[list[float], list[float]] = ([], [])
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    right = 0
    for replication in range(replications):
        table = case.make(np.random.default_rng([case.seed, replication]))
        found = attribute(table.frame, details=False, **table.options)
        trusted = set(found.reasons) <= {UNDECIDED}
        relied += trusted
        for index, group in enumerate(GROUPS):
            entry, share = found.groups[group], table.shares[index]
            hit = covered(entry, share)
            hits[index] += hit
            relied_hits[index] += hit and trusted
            if np.isfinite(entry["share"]):  # a table with an empty cell has none, and counts as not covered
                errors[index].append(entry["share"] - share)
        if table.planted is not None:
            costs += covered_costs(table.planted, found)
        verdicts[found.verdict] += 1
        reasons.update(found.reasons)
        right += found.verdict == table.verdict
    undecided = verdicts["inconclusive"]
    return {
        "condition": case.condition,
        "case": case.truth,
        "replications": replications,
        "coverage": _pair(hits / replications),
        "relied_on": relied / replications,
        "coverage_relied_on": _pair(relied_hits / max(relied, 1)),
        "cost_coverage": float(costs[0] / costs[1]) if costs[1] else None,
        "bias": _pair([float(np.mean(one)) if one else 0.0 for one in errors]),
        "right": right / replications,
        "wrong": (replications - right - undecided) / replications,
        "inconclusive": undecided / replications,
        "reasons": dict(reasons.most_common()),
        "verdicts": dict(verdicts.most_common()),
        "cpu_seconds": round(time.process_time() - began, 1),
        "finished": time.strftime("%Y-%m-%d"),
    }


def _pair(values: Any) -> dict[str, float]:
    return {group: round(float(value), 5) for group, value in zip(GROUPS, values, strict=True)}


def idle_factor(replications: int, seed: int) -> dict[str, float]:
    """How far a factor of two levels that does nothing moves the shares when it joins a group, on average."""
    moves: dict[str, list[float]] = {"synchronisation": [], "shape": []}
    for replication in range(replications):
        frame = factorial_frame(CASES["synchronisation 0.45, shape 0.15"], np.random.default_rng([seed, replication]),
                                replicates=2, idle_levels=2)  # fmt: skip
        plain = attribute(frame, GROUPS, details=False, draws=500)
        for group in moves:
            wider = {name: [*columns, "idle"] if name == group else columns for name, columns in GROUPS.items()}
            with_idle = attribute(frame, wider, details=False, draws=500)
            moves[group].append(max(abs(with_idle.groups[g]["share"] - plain.groups[g]["share"]) for g in GROUPS))
    return {**{group: float(np.mean(changes)) for group, changes in moves.items()}, "replications": replications}


def stored(path: Path) -> dict[str, Any]:
    """Return what was measured before."""
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    return {"rows": [], "idle_factor": {}}


def save(path: Path, result: dict[str, Any]) -> None:
    """Write the result, its rows in the order of the cases; those of cases that are no more are dropped."""
    order = {case.name: number for number, case in enumerate(cases())}
    rows = [row for row in result["rows"] if (row["condition"], row["case"]) in order]
    result["rows"] = sorted(rows, key=lambda row: order[row["condition"], row["case"]])
    result["machine"] = (
        f"one core of {platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, scipy"
        f" {scipy.__version__}, pandas {pd.__version__}, optuna {optuna.__version__}"
    )
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=300, help="factorials a case")
    parser.add_argument("--random-replications", type=int, default=60, help="samples of random trials a case")
    parser.add_argument("--adaptive-replications", type=int, default=60, help="adaptive searches a case")
    parser.add_argument("--only", default=[""], nargs="+", metavar="WORD", help="cases whose names hold one of these")
    parser.add_argument("--again", action="store_true", help="measure cases that are in the JSON file once more")
    parser.add_argument("--json", type=Path, default=STORED, help="the rows: read, and written after every case")
    arguments = parser.parse_args()
    result = stored(arguments.json)
    counts = {
        "factorial": arguments.replications,
        "random": arguments.random_replications,
        "adaptive": arguments.adaptive_replications,
    }

    def wanted(name: str) -> bool:
        return any(word in name for word in arguments.only)

    for case in cases():
        mine = [row for row in result["rows"] if (row["condition"], row["case"]) == case.name]
        before = max((row["replications"] for row in mine if not row.get("superseded")), default=0)
        there = before >= counts[case.kind] and not arguments.again
        if there or not wanted(f"{case.condition}; {case.truth}"):
            continue
        row = measure(case, counts[case.kind])
        result["rows"] = [one for one in result["rows"] if (one["condition"], one["case"]) != case.name] + [row]
        save(arguments.json, result)
        print(told(row), flush=True)
    if wanted("a factor that does nothing") and (arguments.again or not result["idle_factor"]):
        result["idle_factor"] = idle_factor(max(20, arguments.random_replications), 300)
        save(arguments.json, result)
    if arguments.json == STORED:
        renew()


def told(row: dict[str, Any]) -> str:
    """Return a row in words."""
    cover, costs = row["coverage"], row["cost_coverage"]
    return (
        f"{time.strftime('%H:%M:%S')} {row['cpu_seconds']:5.0f} s  {row['condition']}; {row['case']}: coverage "
        f"{cover['synchronisation']:.3f} {cover['shape']:.3f}, costs {'-' if costs is None else format(costs, '.3f')}, "
        f"right {row['right']:.3f}, wrong {row['wrong']:.3f}, {row['reasons']}"
    )


if __name__ == "__main__":
    main()
