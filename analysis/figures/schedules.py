"""Noise schedules of the best and the worst plan, layer by layer."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from analysis.figures.base import FigureInput, FigureSpec
from analysis.style import layer_legend, layer_palette, new_figure, styled

__all__ = ["FIGURE"]

POINTS = 121


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per plan, layer and time: ``plan, layer, epoch, spread`` (steps)."""
    from ana_search.ana.annealer import noise_state

    rows = []
    for which, number in given.extremes(given.plans).items():
        plan = given.plans[number]
        label = f"{which} (trial {number})"
        for fraction in np.linspace(0, 1, POINTS):
            time = fraction / plan.training.anneal
            for layer, one in enumerate(plan.layers):
                spread = noise_state(one.weights, time).forward_spread
                rows.append({"plan": label, "layer": layer, "epoch": fraction * plan.training.epochs, "spread": spread})
    return pd.DataFrame(rows)


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw each layer's forward spread over training, the plans side by side."""
    plans = list(data["plan"].unique())
    colours = layer_palette(data["layer"].max() + 1)
    with styled():
        figure, panels = new_figure(3.4, len(plans), sharey=True)
        for axes, plan in zip(panels, plans, strict=True):
            sns.lineplot(
                data[data["plan"] == plan], x="epoch", y="spread", hue="layer", palette=colours, ax=axes, legend=False
            )
            axes.set_xlabel("epoch (count)")
            axes.set_ylabel("spread of the forward noise (steps)")
            axes.set_title(plan)
        layer_legend(figure, colours)
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say when each plan's layers lose their noise."""
    said = []
    for plan, part in data.groupby("plan", sort=False):
        ends = part[part["spread"] > 0].groupby("layer")["epoch"].max()
        said.append(f"{plan}: noise ends at epochs " + ", ".join(f"{end:.0f}" for end in ends))
    return "Spread of the noise by layer over training. " + "; ".join(said) + "."


FIGURE = FigureSpec("Noise schedules of the best and the worst plan", compute, draw, describe)
