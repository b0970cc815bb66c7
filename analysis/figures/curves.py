"""Learning curves by decay policy, one line per noise family, the band over its trials."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures.base import FigureInput, FigureSpec, wrapped
from analysis.style import PALETTE, grid_figure, styled

__all__ = ["FIGURE"]

MOST_PANELS, MOST_LINES = 6, 6


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per trial and epoch: ``panel, line, epoch, accuracy, anneal_end`` (epochs)."""
    table = given.finished
    if not given.histories or "number" not in table.columns:
        return pd.DataFrame()
    panel = "interval" if "interval" in table.columns else None
    line = "noise" if "noise" in table.columns else None
    ends = {plan.training.anneal * plan.training.epochs for plan in given.plans.values()}
    varied = {"anneal", "epochs"} & {factor.name for factor in given.attribution.sample.factors}
    common = ends.pop() if len(ends) == 1 and not varied else np.nan
    rows = []
    for row in table.to_dict("records"):
        number = row["number"]
        plan = given.plans.get(number)
        end = common if plan is None else plan.training.anneal * plan.training.epochs
        rows += [
            {
                "panel": str(row[panel]) if panel else "all trials",
                "line": str(row[line]) if line else "all trials",
                "trial": number,
                "epoch": entry["epoch"],
                "accuracy": entry["accuracy"] * given.scale,
                "anneal_end": end,
            }
            for entry in given.histories.get(number, [])
            if "epoch" in entry and "accuracy" in entry
        ]
    data = pd.DataFrame(rows)
    if data.empty:
        return data
    panels = data["panel"].value_counts().index[:MOST_PANELS]
    lines = data["line"].value_counts().index[:MOST_LINES]
    return data[data["panel"].isin(panels) & data["line"].isin(lines)].reset_index(drop=True)


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw one panel per policy; a grey background marks the epochs of the anneal."""
    last = data[data["epoch"] == data.groupby("trial")["epoch"].transform("max")]
    panels = list(last.groupby("panel")["accuracy"].mean().sort_values(ascending=False).index)
    lines = sorted(data["line"].unique())
    colours = dict(zip(lines, PALETTE, strict=False))
    with styled():
        figure, axes = grid_figure(len(panels), columns=min(2, len(panels)), height=2.5)
        for axis, panel in zip(axes, panels, strict=True):
            part = data[data["panel"] == panel]
            sns.lineplot(
                part, x="epoch", y="accuracy", hue="line", hue_order=lines, palette=colours, errorbar=("pi", 100),
                err_kws={"alpha": 0.15, "linewidth": 0}, ax=axis, legend=False, linewidth=1.4,
            )  # fmt: skip
            end = part["anneal_end"].median()
            if np.isfinite(end):
                axis.axvspan(0, end, color="#F0F0F0", zorder=0, linewidth=0)
            axis.set_xlim(0, data["epoch"].max())
            axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axis.set_xlabel("epoch (count)")
            axis.set_ylabel("accuracy (%)" if given.scale == 100.0 else f"{given.outcome} (as recorded)")
            axis.set_title(wrapped(panel, 36))
        handles = [Line2D([], [], color=colours[name], label=wrapped(name, 20)) for name in lines]
        figure.legend(
            handles=handles, loc="outside lower center", ncol=min(4, len(lines)), title="noise family; grey: anneal"
        )
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say where the curves end in words."""
    last = data[data["epoch"] == data.groupby("trial")["epoch"].transform("max")]
    means = last.groupby("panel")["accuracy"].mean().sort_values(ascending=False)
    return "Learning curves by decay policy. Mean accuracy at the end: " + ", ".join(
        f"{name} {value:.1f}" for name, value in means.items()
    )


FIGURE = FigureSpec("Learning curves by decay policy", compute, draw, describe)
