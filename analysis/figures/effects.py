"""Effects: the mean accuracy of every level of every factor, with its interval, the best level on top."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.base import FigureInput, FigureSpec, wrapped
from analysis.figures.levels import draw_levels
from analysis.style import colour_of, styled

__all__ = ["FIGURE"]

MOST_FACTORS, MOST_LEVELS = 10, 10


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per level: ``factor, group, level, mean, low, high, n``, factors with the widest range first."""
    group_of = {f.name: f.group for f in given.attribution.sample.factors}
    rows = [
        {"factor": factor, "group": group_of[factor], "level": level, "mean": entry.mean, "low": entry.ci_low,
         "high": entry.ci_high, "n": entry.n}
        for factor, levels in given.attribution.effects.items()
        for level, entry in levels.items()
    ]  # fmt: skip
    if not rows:
        return pd.DataFrame()
    data = pd.DataFrame(rows)
    data[["mean", "low", "high"]] *= given.scale
    span = data.groupby("factor")["mean"].agg(np.ptp).sort_values(ascending=False)
    kept = data[data["factor"].isin(span.index[:MOST_FACTORS])]
    rank = kept["factor"].map({name: place for place, name in enumerate(span.index)})
    kept = kept.assign(rank=rank).sort_values(["rank", "mean"], ascending=[True, False], kind="stable")
    return kept.groupby("factor", sort=False).head(MOST_LEVELS).drop(columns="rank").reset_index(drop=True)


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw a dot with its interval per level, factor by factor."""
    groups = list(data["group"].unique())
    with styled():
        figure, axes = draw_levels(data, "factor", "mean", lambda row: colour_of(row["group"], groups))
        if given.scale == 100.0:  # an interval from two or three runs can reach beyond what an accuracy can be
            low, high = axes.get_xlim()
            axes.set_xlim(max(low, -1.0), min(high, 101.0))
        axes.set_xlabel(f"mean {given.outcome_axis}, {given.attribution.level:.0%} interval")
        axes.set_ylabel("factor = level (name)")
        shown = list(data["group"].unique())
        handles = [axes.plot([], [], "o", color=colour_of(g, groups), label=wrapped(g, 30))[0] for g in shown]
        axes.legend(
            handles=handles, title="group", loc="lower center", bbox_to_anchor=(0.35, 1.0), ncol=min(4, len(shown))
        )
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say each factor's best and worst level in words."""
    said = []
    for factor, part in data.groupby("factor", sort=False):
        ordered = part.sort_values("mean", kind="stable")
        best, worst = ordered.iloc[-1], ordered.iloc[0]
        said.append(f"{factor}: {best['level']} {best['mean']:.4g} to {worst['level']} {worst['mean']:.4g}")
    return "Mean outcome from the best to the worst level. " + "; ".join(said) + "."


FIGURE = FigureSpec("Effects of single levels", compute, draw, describe)
