"""Several studies side by side: each group's share with its interval."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.base import FigureInput, FigureSpec, named_parts, wrapped
from analysis.style import colour_of, new_figure, styled
from analysis.verdict import DELTA

__all__ = ["FIGURE"]


def compute(given: FigureInput) -> pd.DataFrame:
    """Return one row per study and part: ``study, verdict, part, share, ci_low, ci_high``; empty for one study."""
    rows = []
    for study, found in given.others.items():
        if found.draws.empty:
            continue
        for part, entry in named_parts(found).items():
            keys = ("share", "ci_low", "ci_high")
            rows.append({"study": study, "verdict": found.verdict, "part": part, **{key: entry[key] for key in keys}})
    return pd.DataFrame(rows) if len(given.others) > 1 else pd.DataFrame()


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    """Draw the shares of all studies on one axis, one block a study."""
    studies, parts = list(data["study"].unique()), list(data["part"].unique())
    with styled():
        figure, (axes,) = new_figure(1.5 + 0.27 * len(data) + 0.2 * len(studies))
        place, ticks, labels = 0.0, [], []
        for study in studies:
            block = data[data["study"] == study]
            for row in block.to_dict("records"):
                colour = colour_of(row["part"], parts)
                axes.hlines(place, 100 * row["ci_low"], 100 * row["ci_high"], color=colour, linewidth=2.8)
                axes.plot(100 * row["share"], place, "o", color=colour, markersize=6.5, markeredgecolor="white")
                place -= 1.0
            ticks.append(place + (len(block) + 1) / 2)
            labels.append(wrapped(study, 22) + f"\n({block['verdict'].iloc[0]})")
            place -= 0.8
        axes.axvline(100 * DELTA, color="#4D4D4D", linestyle=":", linewidth=1.2)
        axes.set_yticks(ticks, labels)
        axes.set_ylim(place + 1.2, 0.6)
        axes.set_xlim(-3, 103)
        axes.set_xlabel(f"share of one run's variance (%); dotted: {100 * DELTA:.0f} %")
        axes.set_ylabel("study (verdict)")
        axes.grid(visible=False, axis="y")
        handles = [axes.plot([], [], "o", color=colour_of(p, parts), label=wrapped(p, 24))[0] for p in parts]
        figure.legend(handles=handles, loc="outside upper center", ncol=min(4, int(np.ceil(len(parts)))))
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    """Say each study's verdict and its two largest parts."""
    said = []
    for study, block in data.groupby("study", sort=False):
        top = block.sort_values("share", ascending=False).head(2)
        said.append(
            f"{study}: {block['verdict'].iloc[0]} ("
            + ", ".join(f"{r.part} {r.share:.0%}" for r in top.itertuples())
            + ")"
        )
    return "Shares of several studies side by side. " + "; ".join(said) + "."


FIGURE = FigureSpec("Studies side by side", compute, draw, describe)
