"""Writes the figures of the measured quickstart study into the pages that state them.

    python docs/results/measured.py results/quickstart

takes the folder that `ana-search analyse quickstart --out results/quickstart` wrote: its pictures, table of trials
and verdict are copied beside the study's page, and the texts between the marks ``<!-- quickstart -->`` and
``<!-- /quickstart -->`` of three pages are made from them. A test compares the texts with the stored verdict.
"""

import csv
import json
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STORED = ROOT / "docs" / "results" / "quickstart"
FILES = ("verdict.json", "trials.csv", "effects.png", "heatmap.png", "shares.png")
INTERVALS, FAMILIES = "interval", "noise"
_BEGIN, _END = "<!-- quickstart -->\n", "\n<!-- /quickstart -->"


def texts(folder: Path) -> dict[Path, str]:
    """Return, for every page that states figures of the study, its text between the marks."""
    verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    means = {name: level_means(folder / "trials.csv", name) for name in (INTERVALS, FAMILIES)}
    return {
        ROOT / "README.md": front(verdict, means),
        ROOT / "docs" / "results" / "README.md": row(verdict),
        STORED / "README.md": page(verdict, means),
    }


def level_means(trials: Path, factor: str) -> dict[str, float]:
    """Return the mean accuracy of every level of a factor, in per cent, highest first."""
    found = defaultdict(list)
    with trials.open(encoding="utf-8", newline="") as stream:
        for trial in csv.DictReader(stream):
            found[trial[factor]].append(100 * float(trial["value"]))
    means = {level: sum(values) / len(values) for level, values in found.items()}
    return dict(sorted(means.items(), key=lambda item: -item[1]))


def share(group: Mapping[str, Any], digits: int = 1) -> str:
    """Return a share of the variance in per cent."""
    return f"{100 * group['share']:.{digits}f} %"


def interval(group: Mapping[str, Any], digits: int = 1) -> str:
    """Return the ends of a share's interval in per cent."""
    return f"{100 * group['ci_low']:.{digits}f} % to {100 * group['ci_high']:.{digits}f} %"


def front(verdict: Mapping[str, Any], means: Mapping[str, Mapping[str, float]]) -> str:
    """Return the measured result of the README's first screen."""
    groups, families = verdict["groups"], list(means[FAMILIES].values())
    synchronisation, shape = groups["synchronisation"], groups["shape"]
    return (
        f"> **Measured** (`studies/quickstart.toml`: {verdict['n']['used']} ternary networks on scikit-learn's digits,"
        " two CPU cores): the *synchronisation* of the layers\n"
        f"> accounts for **{share(synchronisation)}** of the variance of accuracy (95 % interval"
        f" {interval(synchronisation)}), the *shape* of the noise for **{share(shape)}** ({interval(shape)}).\n"
        f"> Annealing layer by layer from the input reaches {means[INTERVALS]['partition']:.1f} %, starting with the"
        f" last layer {means[INTERVALS]['same_end']:.1f} %; the means of\n"
        f"> the noise families lie within {families[0] - families[-1]:.1f} points."
        " [All of it.](docs/results/quickstart/README.md)"
    )


def row(verdict: Mapping[str, Any]) -> str:
    """Return the table of the measured studies."""
    groups = verdict["groups"]
    said = ", ".join(
        f"{name} {share(groups[name])} ({interval(groups[name])})" for name in ("synchronisation", "shape")
    )
    return (
        "| Study | Question | Answer, in shares of the variance with 95 % intervals |\n|---|---|---|\n"
        "| [quickstart](quickstart/README.md) | noise family or synchronisation, on digits? |"
        f" **{verdict['verdict']}**: {said} |"
    )


def page(verdict: Mapping[str, Any], means: Mapping[str, Mapping[str, float]]) -> str:
    """Return the verdict and the means of the study's own page."""
    groups, crossed = verdict["groups"], verdict["interaction"]
    pairs = zip(means[INTERVALS].items(), means[FAMILIES].items(), strict=True)
    rows = [f"| {one} | {a / 100:.3f} | | {other} | {b / 100:.3f} |" for (one, a), (other, b) in pairs]
    head = ["| interval | mean accuracy | | noise family | mean accuracy |", "|---|---|---|---|---|"]
    return "\n".join(
        [
            f"**Verdict: {verdict['verdict']}.** Intervals and power laws account for"
            f" {share(groups['synchronisation'])} of the variance of one run's accuracy (95 % interval",
            f"{interval(groups['synchronisation'])}), the noise family for {share(groups['shape'])}"
            f" ({interval(groups['shape'])}); their interaction, {share(crossed)} ({interval(crossed)}), is split",
            f"between the two. The rest, {share(verdict['noise_floor'])}, is the seed.",
            "",
            *head,
            *rows,
        ]
    )


def renewed(page_text: str, text: str) -> str:
    """Return a page with the text between its marks replaced."""
    head, rest = page_text.split(_BEGIN)
    return head + _BEGIN + text + _END + rest.split(_END)[1]


def main(folder: Path) -> None:
    """Copy what `analyse` wrote and renew the pages."""
    for name in FILES:
        shutil.copyfile(folder / name, STORED / name)
    for path, text in texts(STORED).items():
        before = path.read_text(encoding="utf-8")
        path.write_text(renewed(before, text), encoding="utf-8")
    own = STORED / "README.md"
    torch = f"torch {version('torch')}"
    own.write_text(re.sub(r"torch [\d.]+\d", torch, own.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
