"""Costs: the points lost at best when a level is held and everything else is tuned, with their intervals."""

import pandas as pd
from matplotlib.figure import Figure

from analysis.costs import SAFE_POINTS
from analysis.figures.base import FigureInput, FigureSpec
from analysis.figures.levels import draw_levels
from analysis.style import colour_of, styled

__all__ = ["FIGURE"]

MOST_LEVELS = 40


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per level: ``held, level, points, low, high, safe``; the dearest column comes first."""
    rows = [
        {
            "held": column,
            "level": level,
            "points": cost.points,
            "low": cost.ci_low,
            "high": cost.ci_high,
            "safe": cost.safe,
        }
        for column, levels in given.attribution.costs.items()
        for level, cost in levels.items()
    ]  # fmt: skip
    if not rows:
        return pd.DataFrame()
    data = pd.DataFrame(rows)
    widest = data.groupby("held")["points"].transform("max")
    data = data.assign(widest=widest).sort_values(["widest", "held", "points"], ascending=[False, True, True])
    return data.drop(columns="widest").head(MOST_LEVELS).reset_index(drop=True)


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw a dot with its interval per level, column by column."""
    columns = list(data["held"].unique())
    with styled():
        figure, axes = draw_levels(data, "held", "points", lambda row: colour_of(row["held"], columns))
        axes.axvline(SAFE_POINTS, color="#4D4D4D", linestyle=":", linewidth=1.2)
        axes.set_xlim(left=min(0.0, float(data["low"].min())) - 0.02 * max(float(data["high"].max()), SAFE_POINTS))
        unit = "points" if given.scale == 100.0 else "units"
        axes.set_xlabel(f"lost at best ({unit}, {given.attribution.level:.0%} interval; dotted: {SAFE_POINTS:g})")
        axes.set_ylabel("held (factor = level)")
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say the dearest level and those that are safe to fix."""
    dearest = max(data.to_dict("records"), key=lambda row: float(row["points"]))
    safe = [f"{r.held} = {r.level}" for r in data[data["safe"] >= given.attribution.level].itertuples()]
    return (
        "Accuracy lost at best when a level is held and everything else is tuned. Dearest:"
        f" {dearest['held']} = {dearest['level']}, {dearest['points']:.1f}"
        f" ({dearest['low']:.1f} to {dearest['high']:.1f}). Safe to fix: {', '.join(safe) or 'none for certain'}."
    )


FIGURE = FigureSpec("What a decision costs", compute, draw, describe)
