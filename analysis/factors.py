"""Factors: the columns of a table of trials that were varied on purpose, and the groups they belong to."""

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ana_search.errors import FrameError
from analysis.nesting import Nest, label
from analysis.ranges import KnownSpace, Scale, guess_scale

__all__ = ["SHAPE", "SYNCHRONISATION", "Factor", "default_groups", "read_factor"]

SYNCHRONISATION = "synchronisation"
SHAPE = "shape"

MOST_NUMERIC_LEVELS = 8
"""A numeric column with more distinct values than this is continuous."""

Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Factor:
    """One varied column.

    ``codes`` are the level numbers of a categorical factor, one per row; ``values`` are a continuous factor's
    positions in [-1, 1] on its ``scale``, one per row, and ``bounds`` that scale's ends. ``nest`` says where a
    conditional factor exists: its code elsewhere is -1, its position 0.
    """

    name: str
    group: str
    kind: Literal["categorical", "continuous"]
    levels: tuple[str, ...] = ()
    codes: Codes | None = None
    values: Values | None = None
    bounds: tuple[float, float] = (0.0, 0.0)
    scale: Scale | None = None
    nest: Nest | None = None
    guessed: bool = False
    """Whether the scale was guessed from the sample."""

    @property
    def rows(self) -> int:
        """The number of used rows."""
        found = self.values if self.values is not None else self.codes
        return 0 if found is None else len(found)

    @property
    def exists(self) -> Mask:
        """Where the factor exists, one entry per row."""
        return np.ones(self.rows, dtype=bool) if self.nest is None else self.nest.exists

    @property
    def probability(self) -> float:
        """The part of even draws in which the factor exists."""
        return 1.0 if self.nest is None else self.nest.probability


def default_groups(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return the groups of the columns of `frame` whose names are parameters of a study file (``noise.3``: layer 3's).

    A group without any column in the frame is left out. The groups are those of the table of parameters, which knows
    PyTorch: it is read only where nobody has named the groups.
    """
    from ana_search.study_file import groups_of, is_parameter

    return groups_of([str(column) for column in frame.columns if is_parameter(re.sub(r"\.\d+$", "", str(column)))])


def check_groups(
    groups: Mapping[str, Sequence[str]], columns: Collection[str], reserved: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return `groups` as plain lists, or raise `FrameError` with everything that is wrong with them.

    `reserved` maps a column that cannot be a factor (outcome, state, replicate) to what it is.
    """
    mistakes: list[str] = []
    owner: dict[str, str] = {}
    if not groups:
        mistakes.append(
            "no groups: no column of the table is a parameter of a study file; "
            "in Python, `attribute(frame, groups=...)` takes others"
        )
    for group, members in groups.items():
        if isinstance(members, str):
            mistakes.append(f"group {group!r}: a list of columns is needed, got the text {members!r}")
            continue
        if not members:
            mistakes.append(f"group {group!r}: no columns")
        for column in members:
            if column not in columns:
                shown = ", ".join(map(repr, sorted(map(str, columns))[:40]))
                mistakes.append(f"group {group!r}: column {column!r} is not in the table, which has {shown}")
            elif column in reserved:
                mistakes.append(f"group {group!r}: column {column!r} is the {reserved[column]}, not a factor")
            elif column in owner:
                mistakes.append(f"column {column!r} is in two groups: {owner[column]!r} and {group!r}")
            owner.setdefault(column, group)
    if mistakes:
        raise FrameError("; ".join(mistakes))
    return {str(group): [str(c) for c in members] for group, members in groups.items()}


def is_continuous(column: pd.Series, name: str, categorical: Collection[str], scale: Scale | None = None) -> bool:
    """Whether a column holds a continuous factor.

    It is numeric, not declared a category, and has a scale without steps or more than 8 distinct values.
    """
    if name in categorical or pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return False
    return bool((scale is not None and scale.step is None) or column.nunique() > MOST_NUMERIC_LEVELS)


def read_factor(
    column: pd.Series,
    group: str,
    outcome: pd.Series,
    categorical: Collection[str] = (),
    *,
    reference: pd.Series,
    space: KnownSpace | None = None,
    nest: Nest | None = None,
) -> Factor:
    """Return the factor that the used rows of one column hold.

    `column` and `outcome` have one entry per used row; `reference` is the column over all finished rows and
    decides whether the factor is continuous, and on what scale where `space` does not say it. `nest` says where a
    conditional factor exists. Levels are numbered by their mean outcome, so that renaming them changes nothing. Raises
    `FrameError` where a factor has no value in a row in which it exists, or one outside its bounds.
    """
    name = str(column.name)
    known = None if space is None else space.scales.get(name)
    there = np.ones(len(column), dtype=bool) if nest is None else nest.exists
    if is_continuous(reference, name, categorical, known):
        return _continuous(column, group, reference, known, nest, there)
    labels = column.map(label).astype(str).to_numpy()
    if nest is not None and column[there].isna().any():
        missing = int(column[there].isna().sum())
        raise FrameError(f"column {name!r}: {missing} of the {int(there.sum())} rows in which it exists have no value")
    means = outcome[there].groupby(labels[there]).agg(["mean", "count"])
    order = list(means.sort_values(["mean", "count"], kind="stable").index)
    codes = np.where(there, pd.Index(order).get_indexer(labels).astype(np.int64), -1)
    return Factor(name, group, "categorical", levels=tuple(map(str, order)), codes=codes, nest=nest)


def _continuous(
    column: pd.Series, group: str, reference: pd.Series, known: Scale | None, nest: Nest | None, there: Mask
) -> Factor:
    name = str(column.name)
    numbers = column.to_numpy(dtype=float, na_value=np.nan)
    missing = int((~np.isfinite(numbers[there])).sum())
    if missing:
        raise FrameError(
            f"column {name!r}: {missing} of {int(there.sum())} used rows have no finite number; a continuous factor"
            " needs one in every row in which it exists (declare it `categorical` where it takes few values, or name"
            " in `conditions` for which levels of another column it exists)"
        )
    span = reference.to_numpy(dtype=float, na_value=np.nan)
    span = span[np.isfinite(span)]
    scale = guess_scale(span) if known is None else known
    slack = 1e-9 * (scale.high - scale.low)
    outside = span[(span < scale.low - slack) | (span > scale.high + slack)]
    if len(outside):
        raise FrameError(
            f"column {name!r}: {outside[0]:g} lies outside its range, {scale.low:g} to {scale.high:g} in `ranges`"
        )
    position = np.zeros(len(numbers))
    position[there] = np.clip(scale.position(numbers[there]), -1, 1)
    return Factor(
        name, group, "continuous", values=position, bounds=(scale.low, scale.high), scale=scale, nest=nest,
        guessed=known is None,
    )  # fmt: skip


def level_labels(factor: Factor) -> tuple[list[str], Codes]:
    """Return the labels of a factor's levels and each row's level; a continuous factor is cut into quarters.

    A row in which the factor does not exist has level -1.
    """
    if factor.values is None:
        assert factor.codes is not None
        return list(factor.levels), factor.codes
    assert factor.scale is not None
    ends = factor.scale.quantiles([0, 0.25, 0.5, 0.75, 1])
    labels = [f"{a:.3g} to {b:.3g}" for a, b in itertools.pairwise(ends)]
    return labels, np.where(factor.exists, np.digitize(factor.values, [-0.5, 0.0, 0.5]), -1)
