"""Drawing one plan: PNG and SVG files of its schedules and its stairs."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ana_search.ana import NOISE_FAMILIES, StairFunction
from ana_search.plan import LayerPlan, TrainingPlan
from ana_search.planner import make_plan
from ana_search.plots.example import example_params
from ana_search.plots.schedules import schedule_frame
from ana_search.plots.stairs import EXACT, stair_frame
from ana_search.space import replicate_seed
from ana_search.study_file import StudySpec
from ana_search.wording import describe_params
from analysis.style import SEQUENTIAL, save_figure, styled

__all__ = ["draw_plan", "draw_schedules", "draw_stairs"]


_DASHED = (0, (4, 2))
_TITLE_WIDTH = 84  # characters of a title's line that fit above one column of axes
_MOST_PARAMETERS = 12


def draw_plan(spec: StudySpec, folder: Path, params: Mapping[str, Any] | None = None) -> list[Path]:
    """Draw one plan of a study into ``folder`` (made if missing), and return the files.

    ``params`` are those of a trial; without them an example is drawn, as the figure's title says (see
    `example_params`). Written are ``schedules`` and ``stairs`` (with a number
    for every further kind of quantiser), each as PNG and as SVG.
    """
    chosen = example_params(spec) if params is None else dict(params)
    plan = make_plan(spec, chosen, replicate_seed(spec, 0))
    folder.mkdir(parents=True, exist_ok=True)
    kind = "an example plan" if params is None else "the plan"
    drawn = {
        "schedules": draw_schedules(plan, f"{spec.study.name}, {kind}: {describe_params(chosen, _MOST_PARAMETERS)}")
    }
    for number, bits in enumerate(_kinds(plan.layers)):
        spreads = sorted({layer.weights.spread for layer in plan.layers if layer.weights.spread > 0}) or [0.5]
        name = "stairs" if number == 0 else f"stairs_{number + 1}"
        drawn[name] = draw_stairs(StairFunction.for_network(bits), f"{bits}", spreads[-1])
    return [file for name, figure in drawn.items() for file in save_figure(figure, folder, name)]


def draw_schedules(plan: TrainingPlan, title: str) -> Figure:
    """Return a figure of every layer's mean and spread over training, forward solid and backward dashed."""
    frame = schedule_frame(plan)
    parts = ["weights"] if _tied(plan) else ["weights", "activations"]
    lines = textwrap.wrap(title, _TITLE_WIDTH * len(parts))
    with styled():
        figure = Figure(figsize=(4.6 * len(parts) + 1.6, 5.0 + 0.16 * len(lines)))
        axes = figure.subplots(2, len(parts), sharex=True, sharey="row", squeeze=False)
        for column, part in enumerate(parts):
            for row, quantity in enumerate(("spread", "mean")):
                ax = axes[row][column]
                _draw_layers(ax, frame[frame["part"] == part], quantity, plan)
                ax.set_ylabel(f"{quantity} [steps]" if column == 0 else "")
            axes[0][column].set_title("weights and activations" if len(parts) == 1 else part, loc="left")
            axes[1][column].set_xlabel("epoch (dotted: the anneal ends)")
        handles, labels = axes[0][0].get_legend_handles_labels()
        if any(layer.weights.backward != "same" for layer in plan.layers):
            handles.append(Line2D([], [], color="#4D4D4D", linewidth=1.2, linestyle=_DASHED))
            labels.append("backward")
        figure.legend(handles, labels, loc="outside right center", frameon=False)
        figure.align_ylabels()
        figure.suptitle("\n".join(lines), fontsize=9, x=0.01, ha="left")
    return figure


def draw_stairs(stair: StairFunction, kind: str, spread: float) -> Figure:
    """Return a figure of the stair, its expectation and the gradient, one column a noise family.

    The lines are the spread at the start of the anneal, its half and its quarter: the stair that training sees
    comes closer to the exact one.
    """
    spreads = (spread, spread / 2, spread / 4)
    frame = stair_frame(stair, spreads)
    with styled():
        figure = Figure(figsize=(2.3 * len(NOISE_FAMILIES) + 0.6, 5.0))
        axes = figure.subplots(2, len(NOISE_FAMILIES), sharex=True, sharey="row", squeeze=False)
        exact = frame[frame["noise"] == EXACT]
        for column, family in enumerate(NOISE_FAMILIES):
            value, slope = axes[0][column], axes[1][column]
            value.step(exact["x"], exact["value"], where="post", color="#222222", linewidth=1.0, label=EXACT)
            for number, one in enumerate(spreads):
                lines = frame[(frame["noise"] == family) & (frame["spread"] == one)]
                colour = colormaps[SEQUENTIAL](0.85 * number / (len(spreads) - 1))
                value.plot(lines["x"], lines["value"], color=colour, linewidth=1.4, label=f"spread {one:g}")
                slope.plot(lines["x"], lines["slope"], color=colour, linewidth=1.4)
            value.set_title(family)
            slope.set_xlabel("x")
            slope.xaxis.set_major_locator(MaxNLocator(5))
        axes[0][0].set_ylabel("E[stair(x - noise)]")
        axes[1][0].set_ylabel("its derivative")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncol=len(handles), frameon=False)
        figure.align_ylabels()
        figure.suptitle(f"The {kind} stair and its regularised versions", fontsize=10)
    return figure


def _draw_layers(ax: Axes, frame: pd.DataFrame, quantity: str, plan: TrainingPlan) -> None:
    """Draw one line a layer and direction; backward noise only where it differs from the forward noise."""
    layers = len(plan.layers)
    for layer in range(layers):
        lines = frame[frame["layer"] == layer]
        colour = colormaps[SEQUENTIAL](0.92 * layer / max(1, layers - 1))
        forward = lines[lines["direction"] == "forward"]
        ax.plot(forward["epoch"], forward[quantity], color=colour, linewidth=1.6, label=f"layer {layer}")
        if plan.layers[layer].weights.backward != "same":
            backward = lines[lines["direction"] == "backward"]
            ax.plot(backward["epoch"], backward[quantity], color=colour, linewidth=1.2, linestyle=_DASHED)
    if not frame[quantity].any():
        ax.set_ylim(-0.5, 0.5)
        ax.text(0.03, 0.56, "0 in every layer", transform=ax.transAxes, fontsize=9)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    end = plan.training.anneal * plan.training.epochs
    ax.axvline(end, color="#999999", linewidth=0.8, linestyle=":")


def _tied(plan: TrainingPlan) -> bool:
    return all(layer.weights == layer.activations for layer in plan.layers)


def _kinds(layers: tuple[LayerPlan, ...]) -> list[Any]:
    """Return the kinds of quantiser in a plan, in order of appearance."""
    return list(dict.fromkeys(bits for layer in layers for bits in (layer.weight_bits, layer.activation_bits)))
