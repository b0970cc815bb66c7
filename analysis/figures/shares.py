"""The answer: a dot with its interval per group, and where the two shares lie among the verdict's regions."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.factors import SHAPE, SYNCHRONISATION
from analysis.figures.base import FigureInput, FigureSpec, named_parts, wrapped
from analysis.style import colour_of, new_figure, styled
from analysis.verdict import DELTA, REGIONS, RHO

__all__ = ["FIGURE"]

MOST_POINTS = 1500


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per group, interaction and noise: ``part, share, ci_low, ci_high`` (fractions)."""
    found = given.attribution
    if found.draws.empty:
        return pd.DataFrame()
    keys = ("share", "ci_low", "ci_high")
    return pd.DataFrame(
        {"part": name, **{key: entry[key] for key in keys}} for name, entry in named_parts(found).items()
    )


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw the shares and, beside them, the decision map; the verdict and its numbers stand below."""
    with styled():
        figure, (left, right) = new_figure(max(4.1, 2.3 + 0.42 * len(data)), 2, width_ratios=[1.2, 1])
        draw_shares(data, left)
        _draw_map(given, right)
        figure.supxlabel(_caption(given), fontsize=8.5, color="#333333")
    return figure


def draw_shares(data: pd.DataFrame, axes: Axes) -> None:
    """Draw one dot with its interval per row of `data`."""
    names = list(data["part"])
    position = np.arange(len(names))[::-1]
    colours = [colour_of(name, names) for name in names]
    axes.hlines(position, 100 * data["ci_low"], 100 * data["ci_high"], colors=colours, linewidth=3.0)
    axes.scatter(100 * data["share"], position, s=48, c=colours, zorder=3, edgecolors="white")
    axes.axvline(100 * DELTA, color="#4D4D4D", linestyle=":", linewidth=1.2)
    axes.set_yticks(position, ["interaction\n(split above)" if n == "interaction" else wrapped(n, 18) for n in names])
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlim(-3, 103)
    axes.set_xlabel("share of one run's variance (%)")
    axes.set_ylabel("source of variance (group)")
    axes.set_title(f"Shares with intervals; dotted: {100 * DELTA:.0f} %")


def _draw_map(given: FigureInput, axes: Axes) -> None:
    draws = given.attribution.draws
    line = np.linspace(0, 100, 101)
    delta = 100 * DELTA
    axes.set_facecolor("#E8F4EF")
    axes.fill_between(line, line / RHO, color="#D6E6F2", linewidth=0, zorder=0.6)
    axes.fill_betweenx(line, line / RHO, color="#F9E2D2", linewidth=0, zorder=0.6)
    axes.fill_between([0, delta], [delta, delta], color="#CFCFCF", linewidth=0, zorder=0.7)
    if {SYNCHRONISATION, SHAPE} <= set(draws.columns):
        shown = draws.iloc[:: max(1, len(draws) // MOST_POINTS)] * 100
        sns.scatterplot(x=shown[SYNCHRONISATION], y=shown[SHAPE], ax=axes, s=7, color="#1A1A1A", alpha=0.3, linewidth=0)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xlabel("share of synchronisation (%)")
    axes.set_ylabel("share of shape (%)")
    axes.set_aspect("equal")
    axes.set_title("Where the two shares may lie")
    fills = dict(zip(REGIONS, ("#D6E6F2", "#F9E2D2", "#E8F4EF", "#CFCFCF"), strict=True))
    handles = [Patch(facecolor=fill, edgecolor="#4D4D4D", linewidth=0.6, label=name) for name, fill in fills.items()]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=2, fontsize=8.5, handlelength=1.2)


def _caption(given: FigureInput) -> str:
    found = given.attribution
    n, probability = found.n, found.region_probability
    chances = ", ".join(f"{name} {value:.0%}" for name, value in probability.items())
    cells = f", {n['cells']} cells" if n["cells"] else ""
    seeds = f", at least {n['replicates']} seeds a cell" if n["cells"] else ""
    return (
        f"Verdict: {found.verdict}. {n['used']} runs{cells}{seeds}. {found.level:.0%} intervals.\n"
        f"Probability of each region: {chances or 'not known'}. A verdict needs {found.level:.0%} in one."
    )


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say the shares in words."""
    parts = [f"{r.part} {r.share:.0%} ({r.ci_low:.0%} to {r.ci_high:.0%})" for r in data.itertuples()]
    return f"Shares of one run's variance with {given.attribution.level:.0%} intervals: " + ", ".join(parts) + "."


FIGURE = FigureSpec("Shares of the variance, and the verdict's regions", compute, draw, describe)
