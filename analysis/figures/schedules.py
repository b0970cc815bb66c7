"""Noise schedules, layer by layer: of one plan (`check --plot`, the dashboard), and of the best and the worst plan."""

import textwrap
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ana_search.ana.annealer import noise_state
from ana_search.plan import TrainingPlan
from analysis.figures.base import FigureInput, FigureSpec
from analysis.style import layer_legend, layer_palette, new_figure, styled

__all__ = ["FIGURE", "Curve", "distinct_curves", "draw_schedules", "layers_name", "schedule_frame"]

POINTS = 121
_DASH = 5.0  # points of one layer's dash in a line that several layers share
_TITLE_WIDTH = 84  # letters of a title's line that fit above one column of axes


@dataclass(frozen=True)
class Curve:
    """One course of the noise over training, and the layers that follow it."""

    layers: tuple[int, ...]
    epochs: tuple[float, ...]
    values: tuple[float, ...]


def schedule_frame(plan: TrainingPlan, points: int = 201) -> pd.DataFrame:
    """Return the noise of every layer of a plan at equally spaced times from the first step to the last.

    One row for each time, layer, ``part`` (``weights`` or ``activations``) and ``direction`` (``forward`` or
    ``backward``), with ``epoch`` (from 0 to the epochs of the plan), ``time`` (in units of the annealing
    budget), and ``mean`` and ``spread`` in steps of the layer's stair.
    """
    rows = []
    training = plan.training
    for index in range(points):
        fraction = index / (points - 1)
        time = fraction / training.anneal if training.anneal > 0 else 1.0
        for layer, one in enumerate(plan.layers):
            for part, schedule in (("weights", one.weights), ("activations", one.activations)):
                state = noise_state(schedule, time)
                row = {"epoch": fraction * training.epochs, "time": time, "layer": layer, "part": part}
                forward = {"mean": state.forward_mean, "spread": state.forward_spread}
                backward = {"mean": state.backward_mean, "spread": state.backward_spread}
                rows.append(row | {"direction": "forward"} | forward)
                rows.append(row | {"direction": "backward"} | backward)
    return pd.DataFrame(rows)


def distinct_curves(frame: pd.DataFrame, quantity: str) -> list[Curve]:
    """Return the courses of ``quantity`` in a frame of one part and direction; layers that agree share one."""
    found: dict[tuple[float, ...], list[int]] = {}
    for layer, part in frame.groupby("layer"):
        found.setdefault(tuple(part[quantity].round(9)), []).append(int(str(layer)))
    epochs = tuple(sorted(frame["epoch"].unique()))
    return [Curve(tuple(layers), epochs, values) for values, layers in found.items()]


def layers_name(layers: tuple[int, ...]) -> str:
    """Return the name of some layers.

    >>> layers_name((3,)), layers_name((0, 1, 2)), layers_name((0, 2))
    ('layer 3', 'layers 0 to 2', 'layers 0, 2')
    """
    if len(layers) == 1:
        return f"layer {layers[0]}"
    if layers == tuple(range(layers[0], layers[-1] + 1)):
        return f"layers {layers[0]} to {layers[-1]}"
    return f"layers {', '.join(map(str, layers))}"


def draw_curves(axes: Axes, frame: pd.DataFrame, quantity: str, style: str = "-") -> None:
    """Draw one line a course; a line that several layers share has dashes in the colours of all of them."""
    colours = layer_palette(int(frame["layer"].max()) + 1)
    for curve in distinct_curves(frame, quantity):
        shared = len(curve.layers)
        for place, layer in enumerate(curve.layers):
            line = style if shared == 1 or style != "-" else (-place * _DASH, (_DASH, _DASH * (shared - 1)))
            axes.plot(curve.epochs, curve.values, color=colours[layer], linestyle=line, dash_capstyle="butt")
        if shared > 1 and style == "-":
            middle = int(np.argmin(np.abs(np.asarray(curve.values) - max(curve.values, key=abs) / 2)))
            axes.annotate(
                layers_name(curve.layers), (curve.epochs[middle], curve.values[middle]), xytext=(5, 5),
                textcoords="offset points", fontsize=8.0,
            )  # fmt: skip


def draw_schedules(plan: TrainingPlan, title: str) -> Figure:
    """Return a figure of every layer's spread and mean over training, the backward noise dotted where it differs."""
    frame = schedule_frame(plan)
    tied = all(layer.weights == layer.activations for layer in plan.layers)
    parts = ["weights"] if tied else ["weights", "activations"]
    backward = any(layer.weights.backward != "same" for layer in plan.layers)
    lines = textwrap.wrap(title, _TITLE_WIDTH * len(parts))
    with styled():
        figure = Figure(figsize=(4.6 * len(parts) + 1.6, 5.6 + 0.16 * len(lines)))
        axes = figure.subplots(2, len(parts), sharex=True, sharey="row", squeeze=False)
        for column, part in enumerate(parts):
            for row, quantity in enumerate(("spread", "mean")):
                ax = axes[row][column]
                own = frame[frame["part"] == part]
                draw_curves(ax, own[own["direction"] == "forward"], quantity)
                if backward:
                    draw_curves(ax, own[own["direction"] == "backward"], quantity, ":")
                if not own[quantity].any():
                    ax.set_ylim(-0.5, 0.5)
                    ax.set_title("0 in every layer", fontsize=9, loc="right")
                ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
                ax.axvline(plan.training.anneal * plan.training.epochs, color="#999999", linewidth=0.8, linestyle="--")
                ax.set_ylabel(f"{quantity} (steps)" if column == 0 else "")
            axes[0][column].set_title("weights and activations" if tied else part, loc="left")
            axes[1][column].set_xlabel("epoch (dashed: the anneal ends)")
        layer_legend(figure, layer_palette(len(plan.layers)))
        if backward:
            handle = Line2D([], [], color="#4D4D4D", linewidth=1.2, linestyle=":")
            axes[0][-1].legend([handle], ["backward"], loc="upper right")
        figure.align_ylabels()
        figure.suptitle("\n".join(lines), fontsize=9, x=0.01, ha="left")
    return figure


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per plan, layer and time: ``plan, layer, epoch, spread`` (steps)."""
    parts = []
    for which, number in given.extremes(given.plans).items():
        frame = schedule_frame(given.plans[number], POINTS)
        forward = frame[(frame["part"] == "weights") & (frame["direction"] == "forward")]
        parts.append(forward[["layer", "epoch", "spread"]].assign(plan=f"{which} (trial {number})"))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw each layer's forward spread over training, the plans side by side."""
    plans = list(data["plan"].unique())
    with styled():
        figure, panels = new_figure(3.4, len(plans), sharey=True)
        for axes, plan in zip(panels, plans, strict=True):
            draw_curves(axes, data[data["plan"] == plan], "spread")
            axes.set_xlabel("epoch (count)")
            axes.set_title(plan)
        panels[0].set_ylabel("spread of the forward noise (steps)")
        layer_legend(figure, layer_palette(int(data["layer"].max()) + 1))
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say when each plan's layers lose their noise."""
    said = []
    for plan, part in data.groupby("plan", sort=False):
        ends = part[part["spread"] > 0].groupby("layer")["epoch"].max()
        said.append(f"{plan}: noise ends at epochs " + ", ".join(f"{end:.0f}" for end in ends))
    return "Spread of the noise by layer over training. " + "; ".join(said) + "."


FIGURE = FigureSpec("Noise schedules of the best and the worst plan", compute, draw, describe)
