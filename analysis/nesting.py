"""Nested factors: a conditional parameter acts where it exists, and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.ranges import KnownSpace

__all__ = ["NOT_SET", "Nest", "find_nests", "label"]

NOT_SET = "not set"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Nest:
    """Where a conditional column exists.

    ``exists`` has one entry per used row; ``probability`` is the part of even draws in which the column exists, and
    ``ancestors`` the columns that decide it, theirs included. ``guessed`` says that nobody named the condition.
    """

    exists: Mask
    probability: float
    ancestors: frozenset[str]
    guessed: bool = False


def label(value: object) -> str:
    """Return the name of a level; of no value ``not set``."""
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return NOT_SET
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return str(value)


def find_nests(rows: pd.DataFrame, columns: Sequence[str], space: KnownSpace) -> dict[str, Nest]:
    """Return where every conditional column of the used `rows` exists.

    Where the space names no condition, a column whose values are missing exactly for some levels of another one is
    nested in those that remain; of several such columns the one with the fewest levels decides.
    """
    labels = {name: rows[name].map(label).astype(str) for name in columns}
    found: dict[str, Nest] = {}
    conditions = dict(space.conditions)
    guessed = set()
    for name in columns:
        if name not in conditions:
            parent = _guess(name, labels)
            if parent is not None:
                conditions[name] = (parent,)
                guessed.add(name)
    for name in columns:
        if name in conditions:
            _resolve(name, conditions, rows, labels, found, guessed)
    return {name: found[name] for name in columns if name in found}


def _guess(name: str, labels: Mapping[str, pd.Series]) -> tuple[str, tuple[object, ...]] | None:
    """Return the column, and its levels, whose trials are exactly those with a value in column `name`."""
    missing = labels[name].eq(NOT_SET)
    if not missing.any() or missing.all():
        return None
    found: list[tuple[int, int, str, tuple[object, ...]]] = []
    for place, (other, levels) in enumerate(labels.items()):
        if other == name or levels.nunique() > 0.25 * len(levels):
            continue
        by_level = missing.groupby(levels.to_numpy()).agg(["any", "all"])
        if (by_level["any"] == by_level["all"]).all():
            present = tuple(by_level.index[~by_level["any"]])
            same = missing.eq(levels.eq(NOT_SET)).all()  # a sibling: it exists under the same condition
            if not same:
                found.append((levels.nunique(), place, other, present))
    return (min(found)[2], min(found)[3]) if found else None


def _resolve(
    name: str,
    conditions: Mapping[str, Sequence[tuple[str, Sequence[object]]]],
    rows: pd.DataFrame,
    labels: Mapping[str, pd.Series],
    found: dict[str, Nest],
    guessed: set[str],
) -> Nest:
    """Return where a column exists: where one of its conditions holds in a column that exists itself."""
    if name in found:
        return found[name]
    exists, lacking, ancestors = np.zeros(len(rows), dtype=bool), 1.0, frozenset[str]()
    for parent, values in conditions[name]:
        above = _resolve(parent, conditions, rows, labels, found, guessed) if parent in conditions else None
        levels = labels[parent] if parent in labels else rows[parent].map(label).astype(str)
        wanted = {label(value) for value in values}
        there = np.ones(len(rows), dtype=bool) if above is None else above.exists
        exists |= levels.isin(wanted).to_numpy() & there
        met = set(levels[there])
        part = len(met & wanted) / max(1, len(met))
        lacking *= 1.0 - part * (1.0 if above is None else above.probability)
        ancestors |= {parent} | (above.ancestors if above is not None else frozenset())
    found[name] = Nest(exists, 1.0 - lacking, ancestors, name in guessed)
    return found[name]
