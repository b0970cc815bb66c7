"""Accuracy against what the network costs, and the trials that no other beats in both."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from ana_search.objectives import OBJECTIVES
from analysis.figures.base import FigureInput, FigureSpec
from analysis.style import PALETTE, new_figure, styled

__all__ = ["FIGURE"]

_MOST = 3  # panels


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per complete trial and figure that trials differ in.

    Columns: ``objective, cost, accuracy, feasible, front``; on the front is a feasible trial that no feasible other
    beats in accuracy and cost.
    """
    table = given.trials
    state = table["state"].astype(str) if "state" in table.columns else pd.Series("COMPLETE", index=table.index)
    table = table[state == "COMPLETE"]
    accuracy = pd.to_numeric(table[given.outcome], errors="coerce") * given.scale
    feasible = table["infeasible"].isna() if "infeasible" in table.columns else pd.Series(True, index=table.index)
    parts = []
    for name, objective in OBJECTIVES.items():
        if not objective.known or objective.column not in table.columns:
            continue
        cost = pd.to_numeric(table[objective.column], errors="coerce")
        part = pd.DataFrame({"objective": name, "cost": cost, "accuracy": accuracy, "feasible": feasible}).dropna()
        if part["cost"].nunique() > 1:
            part["front"] = _front(part["cost"].to_numpy(), part["accuracy"].to_numpy(), part["feasible"].to_numpy())
            parts.append(part)
    return pd.concat(parts[:_MOST], ignore_index=True) if parts else pd.DataFrame()


def _front(
    cost: npt.NDArray[np.float64], accuracy: npt.NDArray[np.float64], feasible: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Return the feasible points that no other such beats: by rising cost, each more accurate than those before."""
    found = np.zeros(len(cost), dtype=bool)
    best = -np.inf
    for index in np.lexsort((-accuracy, cost)):
        if feasible[index] and accuracy[index] > best:
            best = accuracy[index]
            found[index] = True
    return found


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw a dot per trial and the front as a line, a panel a figure."""
    names = list(dict.fromkeys(data["objective"]))
    with styled():
        figure, panels = new_figure(3.3, len(names), sharey=True)
        for axes, name in zip(panels, names, strict=True):
            part = data[data["objective"] == name]
            others = part[~part["front"] & part["feasible"]]
            axes.plot(others["cost"], others["accuracy"], "o", color="#767676", markersize=3, alpha=0.6, label="trial")
            broken = part[~part["feasible"]]
            if len(broken):
                axes.plot(broken["cost"], broken["accuracy"], "x", color="#767676", markersize=4, label="infeasible")
            front = part[part["front"]].sort_values("cost")
            axes.plot(
                front["cost"], front["accuracy"], "o-", color=PALETTE[0], markersize=4, drawstyle="steps-post",
                label="beaten by none",
            )  # fmt: skip
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.set_xlabel(f"{OBJECTIVES[name].label} ({OBJECTIVES[name].unit})")
        panels[0].set_ylabel(given.outcome_axis)
        panels[0].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncol=3)
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say what the ends of each front are."""
    texts = []
    for name in dict.fromkeys(data["objective"]):
        front = data[(data["objective"] == name) & data["front"]].sort_values("cost")
        shown = OBJECTIVES[name].shown
        if len(front):
            ends = [
                f"{end['accuracy']:.4g} at {shown(float(end['cost']))}" for _, end in front.iloc[[0, -1]].iterrows()
            ]
            texts.append(f"{len(front)} trials that no other beats in accuracy and {name}: from {ends[0]} to {ends[1]}")
    return "; ".join(texts) + "." if texts else "No trial meets the constraints."


FIGURE = FigureSpec("Accuracy against what the network costs", compute, draw, describe)
