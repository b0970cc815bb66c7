"""Costs: the points lost at best when a level is held and everything else is tuned, with their intervals."""

import pandas as pd
from matplotlib.figure import Figure

from analysis.costs import SAFE_POINTS
from analysis.figures.base import FigureInput, FigureSpec, wrapped
from analysis.style import colour_of, new_figure, styled

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
        figure, (axes,) = new_figure(1.3 + 0.30 * (len(data) + 0.8 * len(columns)))
        place, ticks, labels = 0.0, [], []
        for column in columns:
            colour = colour_of(column, columns)
            for row in data[data["held"] == column].to_dict("records"):
                axes.hlines(place, row["low"], row["high"], color=colour, linewidth=2.6)
                axes.plot(row["points"], place, "o", color=colour, markersize=6, markeredgecolor="white")
                ticks.append(place)
                labels.append(wrapped(f"{column} = {row['level']}", 34))
                place -= 1.0
            place -= 0.8
        axes.axvline(SAFE_POINTS, color="#4D4D4D", linestyle=":", linewidth=1.2)
        axes.set_yticks(ticks, labels)
        axes.set_ylim(place + 1.2, 0.6)
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
