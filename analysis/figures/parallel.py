"""Parallel coordinates of the best tenth of a search against all of it."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.factors import Factor
from analysis.figures.base import FigureInput, FigureSpec, wrapped
from analysis.style import PALETTE, new_figure, styled

__all__ = ["FIGURE"]

MOST_FACTORS = 12


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per trial and factor: ``trial, factor, place`` (0 to 1), ``label``, ``top`` (the best tenth)."""
    sample = given.attribution.sample
    factors = sample.factors[:MOST_FACTORS]
    if len(factors) < 3 or len(sample.rows) < 10:
        return pd.DataFrame()
    order = np.argsort(-sample.outcome, kind="stable")
    top = np.zeros(len(order), dtype=bool)
    top[order[: max(1, len(order) // 10)]] = True
    parts = [
        pd.DataFrame({"trial": np.arange(len(order)), "factor": f.name, **_places(f), "top": top}) for f in factors
    ]
    return pd.concat(parts, ignore_index=True)


def _places(factor: Factor) -> dict[str, object]:
    if factor.values is not None:
        low, high = factor.bounds
        place = np.where(factor.exists, (factor.values + 1) / 2, np.nan)
        return {"place": place, "label": f"{low:.3g} to {high:.3g}"}
    assert factor.codes is not None
    names = sorted(factor.levels)
    rank = np.array([names.index(level) for level in factor.levels])[factor.codes]
    place = np.where(factor.exists, rank / max(1, len(names) - 1), np.nan)
    return {"place": place, "label": [factor.levels[c] for c in factor.codes]}


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw a line per trial: the best tenth in colour over the rest in grey."""
    factors = list(data["factor"].unique())
    wide = data.pivot(index="trial", columns="factor", values="place")[factors]
    top = data.groupby("trial")["top"].first()
    shift = np.random.default_rng(0).uniform(-0.02, 0.02, wide.shape)
    shown = np.clip(wide.to_numpy() + shift, -0.02, 1.02)
    with styled():
        figure, (axes,) = new_figure(4.2, width=max(7.2, 1.25 * len(factors)))
        rest = np.flatnonzero(~top)[:600]
        axes.plot(shown[rest].T, color="#B5B5B5", linewidth=0.5, alpha=0.5)
        axes.plot(shown[top.to_numpy()].T, color=PALETTE[1], linewidth=1.3, alpha=0.85)
        axes.set_xticks(range(len(factors)), [wrapped(name, 12) for name in factors])
        axes.set_xlim(-0.45, len(factors) - 0.4)
        axes.set_ylim(-0.08, 1.08)
        for place, factor in enumerate(factors):
            _mark(axes, place, data[data["factor"] == factor])
        axes.set_xlabel("factor (levels from bottom to top as written)")
        axes.set_ylabel("place in the factor's range (fraction)")
        handles = [
            Line2D([], [], color=PALETTE[1], label=f"best tenth ({_trials(int(top.sum()))})"),
            Line2D([], [], color="#B5B5B5", label="the rest"),
        ]
        axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2)
    return figure


def _trials(count: int) -> str:
    return f"{count} trial" if count == 1 else f"{count} trials"


def _mark(axes: Axes, place: int, part: pd.DataFrame) -> None:
    """Write each level, or a range's ends, beside the factor's line."""
    levels = part.groupby("label")["place"].first()
    marks = {0.0: levels.index[0].split(" to ")[0], 1.0: levels.index[0].split(" to ")[-1]} if len(levels) == 1 else {
        float(y): str(name) for name, y in levels.items()
    }  # fmt: skip
    if len(marks) > 9:
        marks = {y: text for y, text in marks.items() if y in (0.0, 1.0)}
    for y, text in marks.items():
        axes.annotate(
            wrapped(text, 13), (place, y), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}, zorder=5,
        )  # fmt: skip


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say the commonest level of each categorical factor among the best tenth."""
    best = data[data["top"] & data["place"].notna()]
    said = [
        f"{factor}: {part['label'].mode().iloc[0]}"
        for factor, part in best.groupby("factor", sort=False)
        if part["label"].nunique() > 1 or part["place"].nunique() == 1
    ]
    return (
        f"Parallel coordinates of the best tenth ({_trials(best['trial'].nunique())}); commonest levels: "
        + ", ".join(said)
        + "."
    )


FIGURE = FigureSpec("The best tenth of the trials", compute, draw, describe)
