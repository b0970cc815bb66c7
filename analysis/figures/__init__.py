"""The figures: one file each, registered here under the name of its files, in the order of the report."""

from collections.abc import Mapping

from analysis.figures import (
    comparison,
    costs,
    curves,
    effects,
    front,
    gaps,
    heatmap,
    history,
    offsets,
    order_violation,
    pairs,
    parallel,
    schedules,
    shares,
)
from analysis.figures.base import FigureInput, FigureSpec

__all__ = ["FIGURES", "FigureInput", "FigureSpec"]

FIGURES: Mapping[str, FigureSpec] = {
    "costs": costs.FIGURE,
    "shares": shares.FIGURE,
    "comparison": comparison.FIGURE,
    "heatmap": heatmap.FIGURE,
    "pairs": pairs.FIGURE,
    "effects": effects.FIGURE,
    "order_violation": order_violation.FIGURE,
    "curves": curves.FIGURE,
    "schedules": schedules.FIGURE,
    "gaps": gaps.FIGURE,
    "history": history.FIGURE,
    "front": front.FIGURE,
    "parallel": parallel.FIGURE,
    "offsets": offsets.FIGURE,
}
