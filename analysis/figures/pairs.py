"""Matched pairs: how far accuracy moves when only the shape, only the synchronisation or only the seed changes."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from analysis.figures.base import FigureInput, FigureSpec
from analysis.pairs import matched_pairs
from analysis.style import COLOURS, new_figure, styled

__all__ = ["FIGURE"]

DASHES: tuple[tuple[float, ...], ...] = ((1, 0), (4, 2), (1, 1.2))


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per pair: ``changed`` and ``difference`` (absolute, in points)."""
    pairs = matched_pairs(given.attribution.sample)
    return pairs.assign(difference=pairs["difference"] * given.scale)


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw the empirical distribution of the differences, one line for each thing that changes."""
    with styled():
        figure, (axes,) = new_figure(3.9)
        kinds = list(data["changed"].unique())
        shown = data.assign(changed=data["changed"].map(_labels(data)))
        palette = {label: COLOURS[kind] for kind, label in _labels(data).items()}
        sns.ecdfplot(data=shown, x="difference", hue="changed", palette=palette, ax=axes, legend=False)
        for line, kind, dashes in zip(reversed(axes.lines), kinds, DASHES, strict=False):
            line.set_linestyle((0, dashes))
            line.set_label(_labels(data)[kind])
        axes.legend(title="only this changes", loc="lower right")
        axes.set_xlabel(f"absolute {given.difference_axis}")
        axes.set_ylabel("pairs at most this far apart (fraction)")
        axes.set_xlim(left=0)
    return figure


def _labels(data: pd.DataFrame) -> dict[str, str]:
    counts = data["changed"].value_counts()
    return {kind: f"{kind} ({counts[kind]:,} pairs)" for kind in data["changed"].unique()}


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say the medians in words."""
    medians = data.groupby("changed", sort=False)["difference"].median()
    unit = "points" if given.scale == 100.0 else "units"
    return "Half of the matched pairs differ by less than: " + ", ".join(
        f"{value:.2f} {unit} when only {kind} changes" for kind, value in medians.items()
    )


FIGURE = FigureSpec("Matched pairs", compute, draw, describe)
