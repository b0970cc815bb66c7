"""The answer: a dot with its interval per group, and where the two shares lie among the verdict's regions."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.factors import SHAPE, SYNCHRONISATION
from analysis.figures.base import FigureInput, FigureSpec
from analysis.style import COLOURS, colour_of, new_figure, styled
from analysis.verdict import DELTA, RHO

__all__ = ["FIGURE"]

MOST_POINTS = 1500


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per group, interaction and noise: ``part, share, ci_low, ci_high`` (fractions)."""
    found = given.attribution
    if found.draws.empty:
        return pd.DataFrame()
    rows = [{"part": name, **{k: entry[k] for k in ("share", "ci_low", "ci_high")}} for name, entry in found.groups.items()]
    for name, entry in (("interaction", found.interaction), ("seed", found.noise_floor)):
        rows.append({"part": name, **{k: entry[k] for k in ("share", "ci_low", "ci_high")}})
    return pd.DataFrame(rows)


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw the shares and, beside them, the decision map."""
    with styled():
        figure, (left, right) = new_figure(max(3.4, 1.6 + 0.42 * len(data)), 2, width_ratios=[1.15, 1])
        _draw_shares(data, left)
        _draw_map(given, right)
    return figure


def _draw_shares(data: pd.DataFrame, axes: Axes) -> None:
    names = list(data["part"])
    position = np.arange(len(names))[::-1]
    colours = [colour_of(name, names) for name in names]
    axes.hlines(position, 100 * data["ci_low"], 100 * data["ci_high"], colors=colours, linewidth=3.0)
    axes.scatter(100 * data["share"], position, s=52, c=colours, zorder=3, edgecolors="white")
    axes.axvline(100 * DELTA, color="#4D4D4D", linestyle=":", linewidth=1.2)
    axes.set_yticks(position, ["interaction\n(split above)" if n == "interaction" else n for n in names])
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("share of one run's variance (%)")
    axes.set_ylabel("source of variance (group)")
    axes.set_title("Shares with their intervals")


def _draw_map(given: FigureInput, axes: Axes) -> None:
    draws = given.attribution.draws
    axes.set_xlim(0, 1.0)
    axes.set_ylim(0, 1.0)
    line = np.linspace(DELTA, 1, 50)
    axes.fill_between([0, 1], [0, 1 / RHO], color=COLOURS["synchronisation"], alpha=0.10, linewidth=0)
    axes.fill_betweenx([0, 1], [0, 1 / RHO], color=COLOURS["shape"], alpha=0.10, linewidth=0)
    axes.fill_between([0, 1, 1], [0, 1 / RHO, 1], [0, 1, 1], color=COLOURS["both"], alpha=0.06, linewidth=0)
    axes.fill_between([0, DELTA], [DELTA, DELTA], color="#DDDDDD", linewidth=0, zorder=1)
    axes.plot(line, line / RHO, color="#4D4D4D", linewidth=1)
    axes.plot(line / RHO, line, color="#4D4D4D", linewidth=1)
    if {SYNCHRONISATION, SHAPE} <= set(draws.columns):
        shown = draws.iloc[:: max(1, len(draws) // MOST_POINTS)]
        sns.scatterplot(
            x=shown[SYNCHRONISATION], y=shown[SHAPE], ax=axes, s=7, color="#1A1A1A", alpha=0.25, linewidth=0, zorder=3
        )
    axes.text(0.97, 0.04, "synchronisation", ha="right", va="bottom", color=COLOURS["synchronisation"], fontsize=9)
    axes.text(0.03, 0.97, "shape", ha="left", va="top", color="#A84A00", fontsize=9)
    axes.text(0.97, 0.97, "both", ha="right", va="top", color="#00654A", fontsize=9)
    axes.set_xlabel("share of synchronisation (fraction)")
    axes.set_ylabel("share of shape (fraction)")
    axes.set_aspect("equal")
    axes.set_title("Draws among the verdict's regions")


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say the shares in words."""
    parts = [f"{r.part} {r.share:.0%} ({r.ci_low:.0%} to {r.ci_high:.0%})" for r in data.itertuples()]
    return f"Shares of one run's variance with {given.attribution.level:.0%} intervals: " + ", ".join(parts) + "."


FIGURE = FigureSpec("Shares of the variance, and the verdict's regions", compute, draw, describe)
