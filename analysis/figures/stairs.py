"""A stair and its regularised versions: as numbers, and as a picture."""

import pandas as pd
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ana_search.ana import NOISE_FAMILIES, Noise, StairFunction, regularise
from analysis.style import SEQUENTIAL, styled

__all__ = ["EXACT", "draw_stairs", "stair_frame"]

EXACT = "exact"


def stair_frame(stair: StairFunction, spreads: tuple[float, ...] = (0.5, 0.25), *, points: int = 601) -> pd.DataFrame:
    """Return the stair and its expectation under every noise family and spread.

    One row a point, with ``x`` and ``value`` in the stair's units, ``noise`` (a family, or ``exact``),
    ``spread`` in steps (0 for the exact stair) and ``slope``, the gradient that training sees (0 for the
    exact stair). ``x`` reaches one step beyond the outermost thresholds.
    """
    step = stair.step
    low, high = stair.scaled_thresholds[0] - step, stair.scaled_thresholds[-1] + step
    x = torch.linspace(low, high, points, dtype=torch.float64)
    frames = [_frame(x, stair(x), torch.zeros_like(x), EXACT, 0.0)]
    for family in NOISE_FAMILIES:
        for spread in spreads:
            at = x.clone().requires_grad_()
            value = regularise(at, stair, Noise(family, spread=spread * step))
            (slope,) = torch.autograd.grad(value.sum(), at)
            frames.append(_frame(x, value.detach(), slope, family, spread))
    return pd.concat(frames, ignore_index=True)


def _frame(x: torch.Tensor, value: torch.Tensor, slope: torch.Tensor, noise: str, spread: float) -> pd.DataFrame:
    columns = {"x": x.numpy(), "value": value.numpy(), "slope": slope.numpy()}
    return pd.DataFrame(columns | {"noise": noise, "spread": spread})


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
