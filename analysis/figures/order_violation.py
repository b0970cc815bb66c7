"""Accuracy against how often an earlier layer is noisier than a later one."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from scipy import stats

from analysis.figures.base import FigureInput, FigureSpec, wrapped
from analysis.order_violation import order_violations
from analysis.style import PALETTE, new_figure, styled

__all__ = ["FIGURE"]


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per trial: ``order_violation`` (fraction), ``accuracy`` and ``policy``."""
    table = given.finished
    violation = order_violations(table, given.plans, given.layers)
    policy = (
        table["interval"].astype(str) if "interval" in table.columns else pd.Series("all trials", index=table.index)
    )
    data = pd.DataFrame({"order_violation": violation, "accuracy": table["__shown__"], "policy": policy}).dropna()
    return data.reset_index(drop=True) if data["order_violation"].nunique() > 1 else pd.DataFrame()


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw a dot per trial; dots of one violation are moved apart a little."""
    policies = list(data.groupby("policy")["accuracy"].mean().sort_values(ascending=False).index)[: len(PALETTE)]
    shift = np.random.default_rng(0).uniform(-1.5, 1.5, len(data))
    shown = 100 - np.abs(100 - np.abs(100 * data["order_violation"] + shift))  # nothing lies outside 0 to 100 %
    with styled():
        figure, (axes,) = new_figure(3.7)
        sns.scatterplot(
            data.assign(order_violation=shown), x="order_violation", y="accuracy",
            hue="policy", style="policy", hue_order=policies, style_order=policies,
            palette=list(PALETTE[: len(policies)]), ax=axes, s=34, alpha=0.75, linewidth=0,
        )  # fmt: skip
        axes.set_xlabel("times an earlier layer is the noisier (% of layer pairs and times)")
        axes.set_ylabel(given.outcome_axis)
        axes.set_xlim(-2, max(30.0, 100 * float(data["order_violation"].max())) + 3)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(
            handles,
            [wrapped(label, 20) for label in labels],
            title="decay policy",
            loc="center left",
            bbox_to_anchor=(1.01, 0.5),
        )
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say the rank correlation."""
    rank = (
        stats.spearmanr(data["order_violation"], data["accuracy"]).statistic if data["accuracy"].nunique() > 1 else 0.0
    )
    return (
        "Accuracy against the share of (earlier layer, later layer, time) triples in which the earlier layer is the"
        f" noisier: rank correlation {rank:.2f} over {len(data)} trials."
    )


FIGURE = FigureSpec("Accuracy against the order of the layers", compute, draw, describe)
