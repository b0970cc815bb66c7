"""Parallel coordinates of the best tenth of a search against all of it."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.factors import Factor
from analysis.figures.base import FigureInput, FigureSpec, wrapped
from analysis.sample import Sample
from analysis.style import PALETTE, new_figure, styled

__all__ = ["FIGURE"]

MOST_FACTORS = 6
"""More cannot be followed by eye: those are shown in which the best tenth differs most from all trials."""


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per trial and factor: ``trial, factor, place`` (0 to 1), ``label``, ``top`` (the best tenth).

    Of a range ``value`` is the value itself.
    """
    sample = given.attribution.sample
    factors = sample.factors
    if len(factors) < 3 or len(sample.rows) < 10:
        return pd.DataFrame()
    order = np.argsort(-sample.outcome, kind="stable")
    top = np.zeros(len(order), dtype=bool)
    top[order[: max(1, len(order) // 10)]] = True
    most = sorted(factors, key=lambda factor: -_difference(factor, top))[:MOST_FACTORS]
    factors = tuple(factor for factor in factors if factor in most)
    parts = [
        pd.DataFrame(
            {"trial": np.arange(len(order)), "factor": f.name, **_places(f), "value": _values(f, sample), "top": top}
        )
        for f in factors
    ]
    return pd.concat(parts, ignore_index=True)


def _difference(factor: Factor, top: np.ndarray) -> float:
    """Return how far the best tenth's distribution over the factor's levels is from that of all trials (0 to 1)."""
    if factor.values is not None:
        at = np.sort(np.unique(factor.values))
        return float(np.abs(_cumulative(factor.values[top], at) - _cumulative(factor.values, at)).max())
    assert factor.codes is not None
    size = len(factor.levels) + 1
    counts = [np.bincount(codes + 1, minlength=size) / len(codes) for codes in (factor.codes[top], factor.codes)]
    return float(np.abs(counts[0] - counts[1]).sum() / 2)


def _cumulative(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.asarray(np.searchsorted(np.sort(values), at, side="right") / len(values))


def _values(factor: Factor, sample: Sample) -> np.ndarray:
    """Return the values of a range, and nothing but gaps for categories."""
    if factor.values is None:
        return np.full(len(sample.rows), np.nan)
    return np.where(factor.exists, pd.to_numeric(sample.rows[factor.name]).to_numpy(dtype=float), np.nan)


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
    shown = wide.to_numpy() + shift
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
        axes.set_ylabel("place in the factor's range (upwards)")
        axes.set_yticks([])
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
    """Say where the best tenth lies: each category's commonest level, the middle half of each range."""
    best = data[data["top"]]
    said = []
    for factor, part in best.groupby("factor", sort=False):
        values = part["value"].dropna()
        if len(values):
            low, high = values.quantile([0.25, 0.75])
            said.append(f"{factor}: half of them {low:.3g} to {high:.3g}")
        elif part["place"].notna().any():
            said.append(f"{factor}: mostly {part.loc[part['place'].notna(), 'label'].mode().iloc[0]}")
    total = len(given.attribution.sample.factors)
    shown = data["factor"].nunique()
    chosen = f" Of {total} factors those {shown} are shown in which it differs most from all." if shown < total else ""
    return (
        f"Parallel coordinates of the best tenth ({_trials(best['trial'].nunique())}). "
        + "; ".join(said)
        + f".{chosen}"
    )


FIGURE = FigureSpec("The best tenth of the trials", compute, draw, describe)
