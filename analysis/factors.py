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

__all__ = ["DEFAULT_GROUPS", "SHAPE", "SYNCHRONISATION", "Factor", "default_groups", "read_factor"]

SYNCHRONISATION = "synchronisation"
SHAPE = "shape"

DEFAULT_GROUPS: Mapping[str, tuple[str, ...]] = {
    SYNCHRONISATION: ("interval", "power_law", "offset", "activation_offset"),
    SHAPE: ("noise", "backward_noise"),
    "schedule": ("shape", "alpha", "spread", "mean", "variance", "width", "method", "backward_spread"),
    "strategy": ("strategy", "backward"),
    "training": (
        "epochs", "anneal", "batch_size", "optimiser", "learning_rate", "weight_decay", "lr_drop",
        "precision", "compile",
    ),
}  # fmt: skip
"""Each group's parameters by their names in a study file; ``noise.3`` (layer 3's) counts as ``noise``."""

MOST_NUMERIC_LEVELS = 8
"""A numeric column with more distinct values than this is continuous."""

NOT_SET = "not set"

Codes = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Factor:
    """One varied column.

    ``codes`` are the level numbers of a categorical factor, one per row; ``values`` are a continuous factor's
    positions in [-1, 1], one per row (logarithmic where its values span more than a factor of 30), and
    ``bounds`` the smallest and largest value met.
    """

    name: str
    group: str
    kind: Literal["categorical", "continuous"]
    levels: tuple[str, ...] = ()
    codes: Codes | None = None
    values: Values | None = None
    bounds: tuple[float, float] = (0.0, 0.0)


def default_groups(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return the groups of the columns of `frame` whose names are parameters of a study file.

    A group without any column in the frame is left out.
    """
    groups: dict[str, list[str]] = {}
    for group, parameters in DEFAULT_GROUPS.items():
        columns = [str(c) for c in frame.columns if re.sub(r"\.\d+$", "", str(c)) in parameters]
        if columns:
            groups[group] = columns
    return groups


def check_groups(
    groups: Mapping[str, Sequence[str]], columns: Collection[str], reserved: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return `groups` as plain lists, or raise `FrameError` with everything that is wrong with them.

    `reserved` maps a column that cannot be a factor (outcome, state, replicate) to what it is.
    """
    mistakes: list[str] = []
    owner: dict[str, str] = {}
    if not groups:
        known = "; ".join(f"{group}: {', '.join(parameters)}" for group, parameters in DEFAULT_GROUPS.items())
        mistakes.append(
            f"no groups: none of the parameters that vary belongs to one ({known}); "
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


def _label(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return NOT_SET
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return str(value)


def is_continuous(column: pd.Series, name: str, categorical: Collection[str]) -> bool:
    """Whether a column holds a continuous factor: numeric, more than 8 distinct values, not declared a category."""
    if name in categorical or pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return False
    return bool(column.nunique() > MOST_NUMERIC_LEVELS)


def read_factor(
    column: pd.Series, group: str, outcome: pd.Series, categorical: Collection[str] = (), *, reference: pd.Series
) -> Factor:
    """Return the factor that the used rows of one column hold.

    `column` and `outcome` have one entry per used row; `reference` is the column over all finished rows and
    decides whether the factor is continuous. Levels are numbered by their mean outcome, so that renaming them
    changes nothing. Raises `FrameError` where a continuous factor has no finite value in a used row.
    """
    name = str(column.name)
    if is_continuous(reference, name, categorical):
        numbers = column.to_numpy(dtype=float, na_value=np.nan)
        missing = int((~np.isfinite(numbers)).sum())
        if missing:
            raise FrameError(
                f"column {name!r}: {missing} of {len(numbers)} used rows have no finite number; a continuous factor"
                " needs one in every row (declare it `categorical` where it takes few values)"
            )
        span = reference.to_numpy(dtype=float, na_value=np.nan)
        span = span[np.isfinite(span)]
        low, high = float(span.min()), float(span.max())
        if low > 0 and high / low > 30:
            numbers, ends = np.log(numbers), (np.log(low), np.log(high))
        else:
            ends = (low, high)
        position = 2 * (numbers - ends[0]) / (ends[1] - ends[0]) - 1
        return Factor(name, group, "continuous", values=np.clip(position, -1, 1), bounds=(low, high))
    labels = column.map(_label).fillna(NOT_SET).astype(str)
    means = outcome.groupby(labels.to_numpy()).agg(["mean", "count"])
    order = list(means.sort_values(["mean", "count"], kind="stable").index)
    codes = pd.Categorical(labels, categories=order).codes.astype(np.int64)
    return Factor(name, group, "categorical", levels=tuple(map(str, order)), codes=codes)


def level_labels(factor: Factor) -> tuple[list[str], Codes]:
    """Return the labels of a factor's levels and each row's level; a continuous factor is cut into quarters."""
    if factor.values is None:
        assert factor.codes is not None
        return list(factor.levels), factor.codes
    low, high = factor.bounds
    logarithmic = low > 0 and high / low > 30
    ends = np.geomspace(low, high, 5) if logarithmic else np.linspace(low, high, 5)
    labels = [f"{a:.3g} to {b:.3g}" for a, b in itertools.pairwise(ends)]
    return labels, np.digitize(factor.values, [-0.5, 0.0, 0.5])
