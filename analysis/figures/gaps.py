"""The regularisation gap by layer over training, for the best and the worst plan."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from analysis.figures.base import FigureInput, FigureSpec
from analysis.style import layer_legend, layer_palette, new_figure, styled

__all__ = ["FIGURE"]


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per plan, layer and epoch: ``plan, layer, epoch, gap``."""
    known = {n: h for n, h in given.histories.items() if h and h[-1].get("gap")}
    return pd.DataFrame(
        {"plan": f"{which} (trial {number})", "layer": layer, "epoch": entry["epoch"], "gap": gap}
        for which, number in given.extremes(known).items()
        for entry in known[number]
        for layer, gap in enumerate(entry.get("gap", ()))
    )


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw each layer's gap, the plans side by side."""
    plans = list(data["plan"].unique())
    colours = layer_palette(data["layer"].max() + 1)
    with styled():
        figure, panels = new_figure(3.4, len(plans), sharey=True)
        for axes, plan in zip(panels, plans, strict=True):
            sns.lineplot(
                data[data["plan"] == plan], x="epoch", y="gap", hue="layer", palette=colours, ax=axes, legend=False
            )
            axes.set_xlabel("epoch (count)")
            axes.set_ylabel("mean |noisy - exact| (output's unit)")
            axes.set_title(plan)
        layer_legend(figure, colours)
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say each plan's first and last gap."""
    said = []
    for plan, part in data.groupby("plan", sort=False):
        means = part.groupby("epoch")["gap"].mean()
        said.append(
            f"{plan}: mean gap over layers {means.iloc[0]:.3f} in the first epoch, {means.iloc[-1]:.3f} in the last"
        )
    return "Regularisation gap by layer over training. " + "; ".join(said) + "."


FIGURE = FigureSpec("Regularisation gap by layer", compute, draw, describe)
