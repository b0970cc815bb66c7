"""The figures: one file each, registered here by the name of its files."""

from collections.abc import Mapping

from analysis.figures import shares
from analysis.figures.base import FigureInput, FigureSpec

__all__ = ["FIGURES", "FigureInput", "FigureSpec"]

FIGURES: Mapping[str, FigureSpec] = {
    "shares": shares.FIGURE,
}
