"""Decay interval by noise family: the mean accuracy of each cell with its standard error and number of runs."""

import re

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from analysis.factors import SHAPE, SYNCHRONISATION
from analysis.figures.base import FigureInput, FigureSpec, wrapped
from analysis.style import SEQUENTIAL, new_figure, styled

__all__ = ["FIGURE"]

MOST_LEVELS = 12


def _column(given: FigureInput, group: str, wanted: str) -> str | None:
    """The column to show of a group: `wanted` where it is there, else the first categorical one that varies."""
    names = [f.name for f in given.attribution.sample.factors if f.group == group and 1 < len(f.levels) <= MOST_LEVELS]
    return wanted if wanted in names else next(iter(names), None)


def _layers(given: FigureInput, key: str) -> dict[int, str]:
    """The columns of a key that every layer has for itself, by layer."""
    names = {factor.name for factor in given.attribution.sample.factors}
    found = {int(m[1]): name for name in names if (m := re.fullmatch(rf"{key}\.(\d+)", name))}
    return dict(sorted(found.items())) if len(found) > 1 else {}


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per cell: the two levels, ``mean``, ``error`` (standard error, points) and ``n``.

    Where each layer has a noise family of its own the cells are layers and families: a trial is in one cell a layer.
    """
    table = given.finished
    layers = _layers(given, "noise")
    if layers:
        parts = [
            pd.DataFrame({"layer": layer, "noise": table[name].astype(str), "__shown__": table["__shown__"]})
            for layer, name in layers.items()
        ]
        cells = pd.concat(parts).groupby(["layer", "noise"])["__shown__"]
    else:
        rows, column = _column(given, SYNCHRONISATION, "interval"), _column(given, SHAPE, "noise")
        if rows is None or column is None:
            return pd.DataFrame()
        cells = table.groupby([table[rows].astype(str), table[column].astype(str)])["__shown__"]
    data = cells.agg(mean="mean", deviation="std", n="count").reset_index()
    data["error"] = data["deviation"] / np.sqrt(data["n"])
    return data.drop(columns="deviation")


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw the heat map, best row on top."""
    down, across = data.columns[:2]
    order = [data.groupby(name)["mean"].mean().sort_values(ascending=False).index for name in (down, across)]
    if down == "layer":
        order[0] = order[0].sort_values()
    table = {
        name: data.pivot(index=down, columns=across, values=name).reindex(index=order[0], columns=order[1])
        for name in ("mean", "error", "n")
    }
    digits = 1 if given.scale == 100.0 else 3
    mean, error, n = (table[name].to_numpy(dtype=float).ravel() for name in ("mean", "error", "n"))
    notes = [_note(*cell, digits) for cell in zip(mean, error, n, strict=True)]
    with styled():
        figure, (axes,) = new_figure(1.6 + 0.62 * len(order[0]), width=max(4.6, 2.4 + 1.15 * len(order[1])))
        sns.heatmap(
            table["mean"], ax=axes, annot=np.reshape(notes, table["mean"].shape), fmt="", cmap=SEQUENTIAL,
            linewidths=1.0, annot_kws={"fontsize": 8}, cbar_kws={"label": given.outcome_axis},
        )  # fmt: skip
        axes.set_xticklabels([wrapped(name, 14) for name in order[1]], rotation=0)
        axes.set_yticklabels([wrapped(name, 16) for name in order[0]], rotation=0)
        axes.set_xlabel(f"{across} (noise family)" if across == "noise" else f"{across} (level)")
        kinds = {"interval": "decay policy", "layer": "0: at the input"}
        axes.set_ylabel(f"{down} ({kinds.get(down, 'level')})")
        axes.set_title("Mean ± standard error, n runs")
    return figure


def _note(mean: float, error: float, n: float, digits: int) -> str:
    if not np.isfinite(mean):
        return "no run"
    spread = f" ± {error:.{digits}f}" if np.isfinite(error) else ""
    return f"{mean:.{digits}f}{spread}\nn = {int(n)}"


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say the best and the worst cell in words."""
    down, across = data.columns[:2]
    ordered = data.sort_values("mean", kind="stable")
    best, worst = ordered.iloc[-1], ordered.iloc[0]
    unit = " %" if given.scale == 100.0 else ""
    where = "layer " if down == "layer" else ""
    return (
        f"Heat map of the mean outcome by {down} and {across}. Best: {where}{best[down]} with {best[across]}, "
        f"{best['mean']:.3g}{unit}; worst: {where}{worst[down]} with {worst[across]}, {worst['mean']:.3g}{unit}."
    )


FIGURE = FigureSpec("Accuracy by decay interval and noise family", compute, draw, describe)
