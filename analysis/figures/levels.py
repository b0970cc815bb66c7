"""A dot with its interval for every level of several columns, one column below the other."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.base import wrapped
from analysis.style import new_figure

__all__ = ["draw_levels"]

_LABEL = 34  # letters in a line of a label
_GAP = 0.8  # between two columns, in rows


def draw_levels(data: pd.DataFrame, by: str, value: str, colour: Callable[[pd.Series], str]) -> tuple[Figure, Axes]:
    """Return a figure with a dot at ``value``, and a line from ``low`` to ``high``, for every row of ``data``.

    Rows of one ``by`` stand together, in the order of the table, labelled ``by = level``; ``colour`` gives the colour
    of a row.
    """
    columns = list(data[by].unique())
    figure, (axes,) = new_figure(1.3 + 0.30 * (len(data) + _GAP * len(columns)))
    place, ticks, labels = 0.0, [], []
    for column in columns:
        for _, row in data[data[by] == column].iterrows():
            shade = colour(row)
            if np.isfinite([row["low"], row["high"]]).all():
                axes.hlines(place, row["low"], row["high"], color=shade, linewidth=2.6)
            axes.plot(row[value], place, "o", color=shade, markersize=6, markeredgecolor="white")
            ticks.append(place)
            labels.append(wrapped(f"{column} = {row['level']}", _LABEL))
            place -= 1.0
        place -= _GAP
    axes.set_yticks(ticks, labels)
    axes.set_ylim(place + 1.2, 0.6)
    return figure, axes
