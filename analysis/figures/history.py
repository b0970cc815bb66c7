"""Optimisation history: every trial in the order it was run, and the best so far."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.base import FigureInput, FigureSpec
from analysis.style import PALETTE, new_figure, styled

__all__ = ["FIGURE"]


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per trial with an outcome: ``number, accuracy, state, best`` (the best complete one so far)."""
    table = given.trials
    if "number" not in table.columns:
        return pd.DataFrame()
    accuracy = pd.to_numeric(table[given.outcome], errors="coerce") * given.scale
    state = table["state"].astype(str) if "state" in table.columns else "COMPLETE"
    data = pd.DataFrame({"number": pd.to_numeric(table["number"]), "accuracy": accuracy, "state": state})
    data = data[np.isfinite(data["accuracy"]) & data["state"].isin(["COMPLETE", "PRUNED"])].sort_values("number")
    data["best"] = data["accuracy"].where(data["state"] == "COMPLETE").cummax().ffill()
    return pd.DataFrame(data.reset_index(drop=True))


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw a dot per trial and the best so far as a step."""
    with styled():
        figure, (axes,) = new_figure(3.3)
        for state, marker, colour in (("COMPLETE", "o", PALETTE[0]), ("PRUNED", "x", "#767676")):
            part = data[data["state"] == state]
            if len(part):
                label = f"{state.lower()} ({len(part)})"
                axes.plot(part["number"], part["accuracy"], marker, color=colour, markersize=4, alpha=0.7, label=label)
        axes.step(data["number"], data["best"], where="post", color=PALETTE[1], label="best so far")
        axes.set_xlabel("trial (number)")
        axes.set_ylabel(given.outcome_axis)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=3)
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say when the best was found."""
    complete = data[data["state"] == "COMPLETE"]
    if complete.empty:
        return f"{len(data)} trials, none complete."
    best = complete.sort_values("accuracy", kind="stable").iloc[-1]
    return (
        f"{len(data)} trials in the order they ran; the best, {best['accuracy']:.4g}, is trial {int(best['number'])}."
    )


FIGURE = FigureSpec("Trials in the order they ran", compute, draw, describe)
