"""Are the answers right? Coverage of the intervals and wrong verdicts, on tables whose truth is known.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py --replications 200 --json calibration.json --markdown FILE

Six planted truths under four conditions of a factorial (8 synchronisation levels x 4 shapes x 3 seeds), on 200 random
trials of a space with continuous offsets, and on adaptive searches (TPE, with and without pruning).
"""

import argparse
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import attribute
from analysis.planted import CASES, Planted, adaptive_frame, factorial_frame, mixed_frame

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
ADAPTIVE: dict[str, Make] = {
    "TPE with pruning, 200 trials": adaptive_frame,
    "TPE without pruning, 200 trials": lambda t, g: adaptive_frame(t, g, pruning=False),
}


def covered(entry: dict[str, float], truth: float) -> bool:
    return entry["ci_low"] <= truth <= entry["ci_high"] or (truth == 0 and entry["ci_low"] <= ATOL)


def measure(make: Make, truth: Planted, replications: int, seed: int, **options: Any) -> dict[str, Any]:
    """Analyse `replications` tables of one truth; return coverage, bias and verdicts."""
    hits, errors = np.zeros(2), np.zeros(2)
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for replication in range(replications):
        frame = make(truth, np.random.default_rng([seed, replication]))
        found = attribute(frame, details=False, **{"draws": 1500, **options})
        for index, group in enumerate(("synchronisation", "shape")):
            entry, share = found.groups[group], truth.shares[index]
            hits[index] += covered(dict(entry), share)
            errors[index] += entry["share"] - share
        verdicts[found.verdict] += 1
        reasons.update(found.reasons)
    right = verdicts[truth.verdict] / replications
    undecided = verdicts["inconclusive"] / replications
    return {
        "truth": {"synchronisation": truth.shares[0], "shape": truth.shares[1], "verdict": truth.verdict},
        "replications": replications,
        "coverage": {"synchronisation": hits[0] / replications, "shape": hits[1] / replications},
        "bias": {"synchronisation": errors[0] / replications, "shape": errors[1] / replications},
        "right": right,
        "wrong": (replications - verdicts[truth.verdict] - verdicts["inconclusive"]) / replications,
        "inconclusive": undecided,
        "verdicts": dict(verdicts),
        "reasons": dict(reasons),
    }


def idle_factor(replications: int, seed: int) -> dict[str, float]:
    """How far a factor of two levels that does nothing moves the shares when it joins a group (mean of |mean change|)."""
    moves: dict[str, list[float]] = {"synchronisation": [], "shape": []}
    for replication in range(replications):
        frame = factorial_frame(CASES["synchronisation 0.45, shape 0.15"], np.random.default_rng([seed, replication]),
                                replicates=2, idle_levels=2)  # fmt: skip
        plain = attribute(frame, GROUPS, details=False, draws=500)
        for group in moves:
            wider = {name: [*columns, "idle"] if name == group else columns for name, columns in GROUPS.items()}
            with_idle = attribute(frame, wider, details=False, draws=500)
            moves[group].append(max(abs(with_idle.groups[g]["share"] - plain.groups[g]["share"]) for g in GROUPS))
    return {group: float(np.mean(changes)) for group, changes in moves.items()}


def rows(replications: int, adaptive: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for number, (condition, (make, options)) in enumerate(CONDITIONS.items()):
        for case, truth in CASES.items():
            yield condition, case, measure(make, truth, replications, 100 + number, **options)
    for number, (condition, make) in enumerate(ADAPTIVE.items()):
        for case in [*list(CASES)[:2], "nothing"]:
            yield condition, case, measure(make, CASES[case], adaptive, 200 + number, draws=300)


def markdown(result: dict[str, Any]) -> str:
    lines = [
        "# Calibration of the analysis",
        "",
        f"Command: `{result['command']}`, finished {result['finished']} after {result['minutes']:.0f} minutes on "
        f"{result['machine']}.",
        "",
        "Every line is many tables drawn from one truth, each analysed as a study's results are. *Coverage* is how often the"
        " 95 % interval of a share holds the true share (for a true 0 a lower end of at most 0.01 counts); *right* and"
        " *wrong* are decided verdicts; the rest is inconclusive. The factorials have 8 synchronisation levels, 4 shapes and"
        " 3 seeds; the random space has 4 categorical and 3 continuous factors.",
    ]
    condition = None
    for row in result["rows"]:
        if row["condition"] != condition:
            condition = row["condition"]
            lines += [
                "",
                f"## {condition[:1].upper() + condition[1:]} ({row['replications']} replications a case)",
                "",
                "| planted shares | coverage, synchronisation | coverage, shape | bias (points) | right | wrong | inconclusive |",
                "|---|---|---|---|---|---|---|",
            ]
        cover, bias = row["coverage"], row["bias"]
        lines.append(
            f"| {row['case']} | {cover['synchronisation']:.1%} | {cover['shape']:.1%} "
            f"| {100 * bias['synchronisation']:+.1f}, {100 * bias['shape']:+.1f} "
            f"| {row['right']:.1%} | {row['wrong']:.1%} | {row['inconclusive']:.1%} |"
        )
    idle = result["idle_factor"]
    lines += [
        "",
        "On adaptive data the intervals cover nothing that can be trusted; there the verdict has to be inconclusive, and is.",
        "",
        f"A factor of two levels that does nothing moves a share by {idle['synchronisation']:.3f} on average when it joins the"
        f" synchronisation group, and by {idle['shape']:.3f} when it joins the shape group.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=200, help="tables a case")
    parser.add_argument("--adaptive-replications", type=int, default=40, help="adaptive searches a case")
    parser.add_argument("--json", type=Path, help="write the result here")
    parser.add_argument("--markdown", type=Path, help="write the table here")
    arguments = parser.parse_args()
    began = time.monotonic()
    found = []
    for condition, case, row in rows(arguments.replications, arguments.adaptive_replications):
        found.append({"condition": condition, "case": case, **row})
        cover = row["coverage"]
        print(
            f"{time.monotonic() - began:7.0f} s  {condition:50s} {case:34s} coverage {cover['synchronisation']:.3f} "
            f"{cover['shape']:.3f}  right {row['right']:.3f}  wrong {row['wrong']:.3f}  {row['reasons']}",
            flush=True,
        )
    idle = idle_factor(max(20, arguments.replications // 2), 300)
    result = {
        "command": f"OMP_NUM_THREADS=1 python benchmarks/calibration.py --replications {arguments.replications} "
        f"--adaptive-replications {arguments.adaptive_replications}",
        "machine": f"one core of {platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}",
        "finished": time.strftime("%Y-%m-%d"),
        "minutes": (time.monotonic() - began) / 60,
        "rows": found,
        "idle_factor": idle,
    }
    print(json.dumps(idle))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(result), encoding="utf-8")


if __name__ == "__main__":
    main()
