"""Are the answers right? Coverage of the intervals and wrong verdicts, on tables whose truth is known.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py --json calibration.json --markdown FILE

Six planted truths under four conditions of a factorial (8 synchronisation levels x 4 shapes x 3 seeds), on 200 random
trials of a space with continuous offsets, and on adaptive searches (TPE, with and without pruning). Then the spaces
that people search (log ranges, conditional parameters, many layers, narrow optima, noise of other kinds), each sampled
at random and by pick-freeze; and factorials as people run them (`analysis.testing.planted_noise`), with the coverage
of what decisions cost. ``--only WORD`` runs the conditions whose names hold the word; the JSON file keeps its
rows of the others. It is written after every case, and ``--resume`` goes on from it.
"""

import argparse
import functools
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import scipy

from analysis import attribute
from analysis.costs import decision_costs
from analysis.testing.planted import CASES, Planted, adaptive_frame, factorial_frame, mixed_frame
from analysis.testing.planted_noise import PEOPLES, FactorialCase, planted_table
from analysis.testing.planted_space import SPACES, pick_freeze_frame, space_frame

GROUPS = {"synchronisation": ["interval", "power_law"], "shape": ["noise"]}
ATOL = 0.01
"""An interval's lower end of at most this counts as covering a true share of 0."""

Make = Callable[[Planted, np.random.Generator], pd.DataFrame]

CONDITIONS: dict[str, tuple[Make, dict[str, Any]]] = {
    "factorial, normal noise": (factorial_frame, {}),
    "factorial, skewed and unequal noise": (lambda t, g: factorial_frame(t, g, noise="skewed"), {}),
    "factorial, 5 % failed": (lambda t, g: factorial_frame(t, g, failed=0.05), {}),
    "factorial, skewed and unequal noise, 5 % failed": (
        lambda t, g: factorial_frame(t, g, noise="skewed", failed=0.05),
        {},
    ),
    "200 random trials, continuous offsets": (mixed_frame, {"draws": 800}),
}
PLAIN = tuple(CONDITIONS)
"""The conditions of every truth."""
PICK_FREEZE_TRIALS = 400
SPACE_CASES = ("synchronisation 0.70, shape 0.05", "synchronisation 0.10, shape 0.60", "nothing")
"""The truths of the spaces that people search, each under two designs."""


def space_conditions() -> dict[str, tuple[Make, dict[str, Any]]]:
    """Every space at random and, where its trials have seeds of their own, by pick-freeze."""
    found: dict[str, tuple[Make, dict[str, Any]]] = {}
    for name, space in SPACES.items():
        options = {**space.options(), "draws": 800, "sampler": "random"}
        found[f"{space.trials} random trials, {name}"] = (functools.partial(space_frame, space), options)
    for name, space in SPACES.items():
        if not space.one_seed:
            make = functools.partial(pick_freeze_frame, space, trials=PICK_FREEZE_TRIALS)
            options = {**space.options(), "draws": 1500, "sampler": "pick_freeze"}
            found[f"{PICK_FREEZE_TRIALS} trials of pick-freeze, {name}"] = (make, options)
    return found


CONDITIONS |= space_conditions()
PEOPLES_REPLICATIONS = 300
"""Tables of a case that people really have, at most."""
IDLE = "a factor that does nothing"
ADAPTIVE: dict[str, Make] = {
    "TPE with pruning, 200 trials": adaptive_frame,
    "TPE without pruning, 200 trials": lambda t, g: adaptive_frame(t, g, pruning=False),
}


def covered(entry: dict[str, float], truth: float) -> bool:
    return entry["ci_low"] <= truth <= entry["ci_high"] or (truth == 0 and entry["ci_low"] <= ATOL)


def measure(make: Make, truth: Planted, replications: int, seed: int, **options: Any) -> dict[str, Any]:
    """Analyse `replications` tables of one truth; return coverage, bias and verdicts."""
    hits = np.zeros(2)
    errors: tuple[list[float], list[float]] = ([], [])
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    designs: Counter[str] = Counter()
    for replication in range(replications):
        frame = make(truth, np.random.default_rng([seed, replication]))
        found = attribute(frame, details=False, **{"draws": 1500, **options})
        for index, group in enumerate(("synchronisation", "shape")):
            entry, share = found.groups[group], truth.shares[index]
            hits[index] += covered(dict(entry), share)
            if np.isfinite(entry["share"]):  # a table with an empty cell has none, and counts as not covered
                errors[index].append(entry["share"] - share)
        verdicts[found.verdict] += 1
        reasons.update(found.reasons)
        designs[found.power["next"]["kind"]] += 1
    right = verdicts[truth.verdict] / replications
    undecided = verdicts["inconclusive"] / replications
    return {
        "truth": {"synchronisation": truth.shares[0], "shape": truth.shares[1], "verdict": truth.verdict},
        "replications": replications,
        "coverage": {"synchronisation": hits[0] / replications, "shape": hits[1] / replications},
        "bias": {"synchronisation": float(np.mean(errors[0])), "shape": float(np.mean(errors[1]))},
        "right": right,
        "wrong": (replications - verdicts[truth.verdict] - verdicts["inconclusive"]) / replications,
        "inconclusive": undecided,
        "verdicts": dict(verdicts),
        "reasons": dict(reasons),
        "next_designs": dict(designs),
    }


def measure_table(case: FactorialCase, replications: int, seed: int) -> dict[str, Any]:
    """As `measure`, of tables whose truth is their own; with the coverage of what decisions cost."""
    hits, cost_hits, costs, explained = np.zeros(2), 0, 0, 0
    errors: tuple[list[float], list[float]] = ([], [])
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    right, wrong = 0, 0
    for replication in range(replications):
        table = planted_table(case, np.random.default_rng([seed, replication]))
        found = attribute(table.frame, table.groups, details=False, draws=800)
        both = True
        for index, group in enumerate(("synchronisation", "shape")):
            entry, share = found.groups[group], table.shares[group]
            hit = covered(entry, share)
            hits[index] += hit
            both = both and hit
            if np.isfinite(entry.share):
                errors[index].append(entry.share - share)
        decided = decision_costs(found.sample, found.layout, found.estimate, level=0.95, seed=0, draws=600)
        for axis, columns in enumerate(table.groups.values()):
            for level, cost in decided.get(columns[0], {}).items():
                truth = table.cost(axis, int(level.split()[1]))
                cost_hits += cost.ci_low - 1e-9 <= truth <= cost.ci_high + 1e-9
                costs += 1
        verdicts[found.verdict] += 1
        reasons.update(found.reasons)
        right += found.verdict == table.verdict
        wrong += found.verdict not in (table.verdict, "inconclusive")
        explained += both or "noise_of_few_runs" in found.reasons
    return {
        "replications": replications,
        "coverage": {"synchronisation": hits[0] / replications, "shape": hits[1] / replications},
        "cost_coverage": cost_hits / max(costs, 1),
        "covered_or_explained": explained / replications,
        "bias": {"synchronisation": float(np.mean(errors[0])), "shape": float(np.mean(errors[1]))},
        "right": right / replications,
        "wrong": wrong / replications,
        "inconclusive": verdicts["inconclusive"] / replications,
        "verdicts": dict(verdicts),
        "reasons": dict(reasons),
    }


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


def rows(factorial: int, random: int, adaptive: int, only: str, done: set[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Measure the cases that are not done, one after the other."""
    for number, (condition, (make, options)) in enumerate(CONDITIONS.items()):
        replications = factorial if condition.startswith("factorial") else random
        for case, truth in CASES.items() if only in condition else ():
            if (condition, case) not in done and (condition in PLAIN or case in SPACE_CASES):
                row = measure(make, truth, replications, 100 + number, **options)
                yield {"condition": condition, "case": case, **row}
    for number, (condition, tables) in enumerate(PEOPLES.items()):
        for table in tables if only in condition else ():
            if (condition, table.text) not in done:
                row = measure_table(table, min(factorial, PEOPLES_REPLICATIONS), 400 + number)
                yield {"condition": condition, "case": table.text, **row}
    for number, (condition, make) in enumerate(ADAPTIVE.items()):
        for case in [*list(CASES)[:2], "nothing"] if only in condition else ():
            if (condition, case) not in done:
                yield {
                    "condition": condition,
                    "case": case,
                    **measure(make, CASES[case], adaptive, 200 + number, draws=300),
                }


def markdown(result: dict[str, Any]) -> str:
    lines = [
        f"Command: `{result['command']}`, finished {result['finished']} after {result['minutes']:.0f} minutes on"
        f" {result['machine']}.",
    ]
    condition = None
    for row in result["rows"]:
        if row["condition"] != condition:
            condition = row["condition"]
            lines += [
                "",
                f"### {condition[:1].upper() + condition[1:]} ({row['replications']} replications a case)",
                "",
                "| planted shares | coverage, synchronisation | coverage, shape | coverage, costs | bias (points)"
                " | right | wrong | inconclusive |",
                "|---|---|---|---|---|---|---|---|",
            ]
        cover, bias = row["coverage"], row["bias"]
        costs = f"{row['cost_coverage']:.1%}" if "cost_coverage" in row else ""
        explained = row["reasons"].get("noise_of_few_runs", 0) / row["replications"]
        why = f" (`noise_of_few_runs` {explained:.1%})" if explained >= 0.05 else ""
        lines.append(
            f"| {row['case']} | {cover['synchronisation']:.1%} | {cover['shape']:.1%} | {costs} "
            f"| {100 * bias['synchronisation']:+.1f}, {100 * bias['shape']:+.1f} "
            f"| {row['right']:.1%} | {row['wrong']:.1%} | {row['inconclusive']:.1%}{why} |"
        )
    idle = result["idle_factor"]
    if idle:
        lines += [
            "",
            f"A factor of two levels that does nothing moves a share by {idle['synchronisation']:.3f} on average when"
            f" it joins the synchronisation group, and by {idle['shape']:.3f} when it joins the shape group"
            f" ({idle['replications']} replications).",
        ]
    return "\n".join([*lines, ""])


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The new result with the old one's rows of the cases that were not run again, in the usual order."""
    conditions = [*CONDITIONS, *PEOPLES, *ADAPTIVE]
    cases = [*CASES, *(table.text for tables in PEOPLES.values() for table in tables)]
    again = {(row["condition"], row["case"]) for row in new["rows"]}
    kept = [row for row in old["rows"] if (row["condition"], row["case"]) not in again]
    found = sorted(
        [*kept, *new["rows"]], key=lambda row: (conditions.index(row["condition"]), cases.index(row["case"]))
    )
    minutes = new["minutes"] + old["minutes"]
    return {**new, "rows": found, "idle_factor": new["idle_factor"] or old["idle_factor"], "minutes": minutes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=2000, help="factorials a case")
    parser.add_argument("--random-replications", type=int, default=200, help="samples of random trials a case")
    parser.add_argument("--adaptive-replications", type=int, default=200, help="adaptive searches a case")
    parser.add_argument("--only", default="", metavar="WORD", help="run the conditions whose names hold the word")
    parser.add_argument("--json", type=Path, help="write the result here, after every case")
    parser.add_argument("--resume", action="store_true", help="leave out the cases that the JSON file has")
    parser.add_argument("--markdown", type=Path, help="write the table here")
    arguments = parser.parse_args()
    if arguments.resume and not arguments.json:
        parser.error("--resume goes on from the file of --json")
    began = time.monotonic()
    before: dict[str, Any] | None = None
    if arguments.json and arguments.json.is_file() and (arguments.only or arguments.resume):
        before = json.loads(arguments.json.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = []
    idle: dict[str, float] = {}

    def result() -> dict[str, Any]:
        now = {
            "command": f"OMP_NUM_THREADS=1 python benchmarks/calibration.py --replications {arguments.replications} "
            f"--random-replications {arguments.random_replications} "
            f"--adaptive-replications {arguments.adaptive_replications}",
            "machine": f"one core of {platform.machine()}, Python {platform.python_version()}, numpy {np.__version__},"
            f" scipy {scipy.__version__}, pandas {pd.__version__}, optuna {optuna.__version__}",
            "finished": time.strftime("%Y-%m-%d"),
            "minutes": (time.monotonic() - began) / 60,
            "rows": found,
            "idle_factor": idle,
        }
        return merged(before, now) if before else now

    def save() -> None:
        if arguments.json:
            arguments.json.write_text(json.dumps(result(), indent=1) + "\n", encoding="utf-8")

    done = {(row["condition"], row["case"]) for row in before["rows"]} if before and arguments.resume else set()
    counts = (arguments.replications, arguments.random_replications, arguments.adaptive_replications)
    for row in rows(*counts, arguments.only, done):
        found.append(row)
        save()
        cover = row["coverage"]
        print(
            f"{time.monotonic() - began:7.0f} s  {row['condition']:50s} {row['case']:34s} "
            f"coverage {cover['synchronisation']:.3f} {cover['shape']:.3f}  right {row['right']:.3f}  "
            f"wrong {row['wrong']:.3f}  {row['reasons']}",
            flush=True,
        )
    if arguments.only in IDLE and not (before and arguments.resume and before["idle_factor"]):
        idle = idle_factor(max(20, arguments.random_replications), 300)
        save()
        print(json.dumps(idle))
    if arguments.markdown:
        arguments.markdown.write_text(markdown(result()), encoding="utf-8")


if __name__ == "__main__":
    main()
