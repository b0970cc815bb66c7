"""Synchronisation offsets by layer of the best plans against all plans."""

import re

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.base import FigureInput, FigureSpec
from analysis.style import PALETTE, new_figure, styled

__all__ = ["FIGURE"]


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per finished trial and layer: ``layer, offset`` (fraction of the budget) and ``which``."""
    table = given.finished
    columns = {int(m[1]): c for c in map(str, table.columns) if (m := re.fullmatch(r"offset\.(\d+)", c))}
    if len(columns) < 2 or len(table) < 10:
        return pd.DataFrame()
    best = table["__shown__"].rank(method="first", ascending=False) <= max(3, len(table) // 10)
    which = np.where(best, f"best {int(best.sum())}", "all others")
    parts = [
        pd.DataFrame({"layer": layer, "offset": pd.to_numeric(table[columns[layer]]), "which": which})
        for layer in sorted(columns)
    ]
    return pd.concat(parts, ignore_index=True).dropna()


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw a box per layer for the best plans beside all others."""
    order = sorted(data["which"].unique(), reverse=True)
    with styled():
        figure, (axes,) = new_figure(3.6)
        colours = {name: PALETTE[1] if name.startswith("best") else "#8C8C8C" for name in order}
        for side, name in zip((-0.12, 0.12), order, strict=False):
            quartiles = (
                data[data["which"] == name].groupby("layer")["offset"].quantile([0.0, 0.25, 0.5, 0.75, 1.0]).unstack()
            )
            place = quartiles.index.to_numpy() + side
            axes.vlines(place, quartiles[0.0], quartiles[1.0], color=colours[name], linewidth=1.2)
            axes.vlines(place, quartiles[0.25], quartiles[0.75], color=colours[name], linewidth=6.0)
            axes.plot(
                place, quartiles[0.5], "o", color="white", markeredgecolor=colours[name], markersize=5, label=name
            )
        axes.set_xticks(sorted(data["layer"].unique()))
        axes.axhline(0, color="#4D4D4D", linewidth=0.8)
        axes.set_xlabel("layer (0: at the input)")
        axes.set_ylabel("offset (fraction of the anneal)")
        axes.legend(title="plans: range, middle half, median", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2)
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say the best plans' median offsets."""
    medians = data[data["which"].str.startswith("best")].groupby("layer")["offset"].median()
    return "Offsets by layer; medians of the best plans: " + ", ".join(
        f"layer {k} {v:+.2f}" for k, v in medians.items()
    )


FIGURE = FigureSpec("Offsets by layer of the best plans", compute, draw, describe)
