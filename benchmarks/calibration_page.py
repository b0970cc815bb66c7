"""Writes the tables of the calibration's page from the stored rows.

    python benchmarks/calibration_page.py

The text between the marks ``<!-- tables -->`` and ``<!-- /tables -->`` of ``docs/results/calibration/README.md`` is
made from ``calibration.json`` beside it, and nothing is run. `benchmarks/calibration.py` calls this at its end.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs" / "results" / "calibration"
STORED, PAGE = FOLDER / "calibration.json", FOLDER / "README.md"
BEGIN, END = "<!-- tables -->\n", "<!-- /tables -->"
HEAD = (
    "| condition | planted shares | tables | coverage, synchronisation | coverage, shape | coverage, costs"
    " | bias (points) | right | wrong | not decided, by reason |\n|---|---|---|---|---|---|---|---|---|---|"
)
LEAST_COVERAGE, MOST_WRONG, LEAST_EXPLAINED = 0.92, 0.02, 0.95
SECTIONS = ("factorials", "random designs", "pick-freeze designs", "adaptive searches")

Row = Mapping[str, Any]


def section(row: Row) -> str:
    """Return which of `SECTIONS` a row belongs to."""
    condition = str(row["condition"])
    if condition.startswith("factorial, "):
        return SECTIONS[0]
    if condition.startswith("TPE"):
        return SECTIONS[3]
    return SECTIONS[2] if "pick-freeze" in condition else SECTIONS[1]


def explained(row: Row) -> float:
    """Return the part of the tables that are inconclusive with a reason other than wide intervals."""
    if "relied_on" in row:
        return 1.0 - float(row["relied_on"])
    reasons = {name: count for name, count in row["reasons"].items() if name != "undecided"}
    return max(reasons.values(), default=0) / float(row["replications"])


def kept(row: Row) -> bool:
    """Whether a row is as good as it is meant to be.

    At most 2 % of the verdicts are wrong, and the intervals cover in 92 % or, in 95 % of the tables, a reason says that
    they are not to be relied on.
    """
    coverage = [*(row["coverage"] or {}).values(), row.get("cost_coverage")]
    known = [one for one in coverage if one is not None]
    sure = explained(row) >= LEAST_EXPLAINED and row["right"] + row["wrong"] <= 1.0 - LEAST_EXPLAINED
    return bool(row["wrong"] <= MOST_WRONG and (sure or min(known, default=0.0) >= LEAST_COVERAGE))


def line(row: Row) -> str:
    """Return a row of the page."""
    costs = row.get("cost_coverage")
    reasons = ", ".join(f"`{name}` {count / row['replications']:.1%}" for name, count in row["reasons"].items())
    condition = str(row["condition"]).removeprefix("factorial, ")
    marks = ("" if kept(row) else " **(misses)**") + (" (earlier estimator)" if row.get("superseded") else "")
    shares = " | | | "
    if section(row) != SECTIONS[3]:  # whose intervals nobody is meant to rely on
        shares = " | ".join(f"{row['coverage'][group]:.1%}" for group in ("synchronisation", "shape"))
        shares += f" | {'' if costs is None else format(costs, '.1%')} | "
        shares += ", ".join(f"{100 * row['bias'][group]:+.1f}" for group in ("synchronisation", "shape"))
    return (
        f"| {condition}{marks} | {row['case']} | {row['replications']} | {shares} | {row['right']:.1%} |"
        f" {row['wrong']:.1%} | {reasons} |"
    )


def tables(result: Mapping[str, Any]) -> str:
    """Return all tables, and what a factor that does nothing moves."""
    rows: Sequence[Row] = result["rows"]
    lines = [f"Measured on {result['machine']}." if result.get("machine") else ""]
    for name in SECTIONS:
        mine = [line(row) for row in rows if section(row) == name]
        if mine:
            lines += ["", f"### {name.capitalize()}", "", HEAD, *mine]
    idle = result["idle_factor"]
    if idle:
        lines += [
            "",
            f"A factor of two levels that does nothing moves a share by {idle['synchronisation']:.3f} on average when"
            f" it joins the synchronisation group, and by {idle['shape']:.3f} when it joins the shape group"
            f" ({idle['replications']} tables).",
        ]
    return "\n".join([*lines, ""])


def page(text: str, result: Mapping[str, Any]) -> str:
    """Return the page with its tables renewed."""
    head, rest = text.split(BEGIN)
    return head + BEGIN + tables(result) + END + rest.split(END)[1]


def main() -> None:
    result = json.loads(STORED.read_text(encoding="utf-8"))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), result), encoding="utf-8")


if __name__ == "__main__":
    main()
