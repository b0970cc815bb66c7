"""Compositional convergence, numerically: which orders of annealing lead a composition to its stair network.

    python docs/convergence.py [--out docs]

writes the figure (PNG, SVG) and prints the tables of `docs/convergence.md`; about fifteen seconds on one core.

The composition of L layers is ``x_0 = x``, ``y_l = H(x_l)``, ``x_(l+1) = y_l - 1`` with H the Heaviside stair
(levels 0 and 1, threshold 0, a tie goes up). As a stair network it is H itself, whatever L is; where ``x >= 0``
every layer but the first decides a tie. Annealed, ``y_l = F((x_l - mean_l) / scale_l)``.

The tails are computed as logarithms with SciPy, since whether a tie is met exactly or missed by 1e-200 is the
question. Nothing of the product is used but its schedules and its measure of width.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from ana_search.ana import NOISE_FAMILIES, SCHEDULES, LayerSchedule, decay_intervals, decay_powers
from analysis.style import save_figure, styled

Array = NDArray[np.float64]

DISTRIBUTIONS = {
    "uniform": stats.uniform(-1.0, 2.0),
    "triangular": stats.triang(0.5, -1.0, 2.0),
    "normal": stats.norm,
    "logistic": stats.logistic,
}
POLICIES = ("partition", "same_start", "same_end", "overlapped", "reverse_same_start", "reverse_partition")
X = np.linspace(-1.0, 1.0, 401)
TIMES = (0.5, 0.9, 0.99, 0.999)


def composition(x: Array, schedules: Sequence[LayerSchedule], t: float) -> Array:
    """Return the composition's output at ``x`` with the noise of time ``t``, a fraction of the budget."""
    ones = np.zeros_like(x)
    # Each argument is kept as `whole - exp(rest)`: after the first layer, as 0 less the tail that is missing to 1.
    whole, rest = x, np.full_like(x, -np.inf)
    for schedule in schedules:
        start, end, shape = schedule.start, schedule.end, SCHEDULES[schedule.decay]
        mean = schedule.mean * shape(t, start, end, schedule.mean_alpha)
        spread = schedule.spread * shape(t, start, end, schedule.spread_alpha)
        if spread == 0.0:
            up = (whole > 0.0) | ((whole == 0.0) & np.isneginf(rest))
            above, ones = np.where(up, -np.inf, 0.0), up.astype(np.float64)
        else:
            scale = float(NOISE_FAMILIES[schedule.noise].scale(spread))
            law = DISTRIBUTIONS[schedule.noise]
            z = (whole - np.exp(rest) - mean) / scale
            with np.errstate(divide="ignore"):
                above = law.logsf(z)
            ones = law.cdf(z)
        whole, rest = np.zeros_like(x), above
    return ones


def schedules(
    family: str, policy: str, layers: int, *, law: str = "homogeneous", mean: float = -0.5
) -> list[LayerSchedule]:
    """Return the paper's schedules: spread from 1/2 with twice the power of the mean, which starts at ``mean``."""
    return [
        LayerSchedule(noise=family, mean=mean, start=start, end=end, mean_alpha=alpha, spread_alpha=2.0 * alpha)
        for (start, end), alpha in zip(decay_intervals(policy, layers), decay_powers(law, layers), strict=True)
    ]


def gap(plan: Sequence[LayerSchedule], t: float) -> float:
    """Return the mean distance from the stair network over the inputs `X`."""
    return float(np.abs(composition(X, plan, t) - (X >= 0.0)).mean())


def gaps(layers: int, mean: float = -0.5) -> pd.DataFrame:
    """Return the gap for every policy and family at `TIMES`."""
    return pd.DataFrame(
        [
            {"policy": policy, "family": family}
            | {f"t = {t}": gap(schedules(family, policy, layers, mean=mean), t) for t in TIMES}
            for policy in POLICIES
            for family in DISTRIBUTIONS
        ]
    )


def draw(out: Path) -> None:
    """Draw both compositions under both orders with logistic noise, and the gap over time of all policies."""
    moments = (0.1, 0.25, 0.45, 0.6, 0.999)
    colours = sns.color_palette("viridis", len(moments) + 1)[:-1]
    with styled():
        figure = Figure(figsize=(10.0, 5.8))
        grid = figure.subplots(2, 3)
        for row, layers in zip(grid, (2, 3), strict=True):
            for axis, policy in zip(row, ("partition", "reverse_partition"), strict=False):
                plan = schedules("logistic", policy, layers)
                for t, colour in zip(moments, colours, strict=True):
                    axis.plot(X, composition(X, plan, t), color=colour, label=f"t = {t:g}")
                axis.step(X, X >= 0.0, where="mid", color="black", linestyle=":", label="stair network")
                axis.set(title=f"{layers} layers, {policy}", xlabel="input", ylabel="output", ylim=(-0.05, 1.05))
            times = np.linspace(0.0, 0.9995, 200)
            for policy, style in zip(POLICIES, ("-", "-", "-", "-", "--", "--"), strict=True):
                plan = schedules("logistic", policy, layers)
                row[2].plot(times, [gap(plan, t) for t in times], style, label=policy)
            row[2].set(title=f"{layers} layers, all policies", xlabel="time t", ylabel="mean distance", ylim=(0.0, 1.0))
        grid[0, 0].legend(fontsize=7.5)
        grid[0, 2].legend(fontsize=7.5, loc="upper center", ncol=2)
    save_figure(figure, out, "convergence")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    for layers in (2, 3):
        print(f"\n{layers} layers\n{gaps(layers).to_string(index=False, float_format='{:.4f}'.format)}")
    print(f"\n2 layers, mean 0 throughout\n{gaps(2, mean=0.0).to_string(index=False, float_format='{:.4f}'.format)}")
    draw(options.out)


if __name__ == "__main__":
    main()
