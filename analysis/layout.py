"""The layout of a sample: the cells that the groups' levels form, and which estimator fits it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from analysis.factors import SHAPE, SYNCHRONISATION, Factor
from analysis.ranges import PICK_FREEZE
from analysis.sample import OUTCOME, REPLICATE, Sample

__all__ = ["Layout", "choose_method", "combinations", "make_layout"]

Codes = npt.NDArray[np.int64]
Method = Literal["factorial", "space_filling", "pick_freeze"]


@dataclass(frozen=True)
class Layout:
    """The crossing of the groups' levels.

    ``codes[group]`` is the level number of every row of ``sample.rows`` that ``inside`` keeps; a level of a group
    is a combination of its columns' levels that was met. ``counts`` is the array of runs per cell.
    """

    codes: Mapping[str, Codes]
    counts: npt.NDArray[np.int64]
    inside: npt.NDArray[np.bool_]
    groups: Mapping[str, list[str]]
    notes: tuple[str, ...] = ()

    @property
    def cells(self) -> int:
        """Cells of the full crossing."""
        return int(self.counts.size)

    @property
    def empty(self) -> int:
        """Cells without a run."""
        return int((self.counts == 0).sum())


def combinations(factors: Sequence[Factor]) -> Codes:
    """Number the combinations of levels of categorical factors, one number per row."""
    joined = np.stack([f.codes for f in factors if f.codes is not None], axis=1)
    return np.asarray(np.unique(joined, axis=0, return_inverse=True)[1].reshape(-1), dtype=np.int64)


def _group_codes(factors: list[Factor], outcome: npt.NDArray[np.float64]) -> Codes:
    """Number the combinations of levels by their mean outcome, so that names change nothing."""
    first = combinations(factors)
    means = pd.Series(outcome).groupby(first).agg(["mean", "count"])
    rank = np.empty(len(means), dtype=np.int64)
    rank[means.sort_values(["mean", "count"], kind="stable").index.to_numpy()] = np.arange(len(means))
    return rank[first]


def _crossing(codes: Mapping[str, Codes]) -> npt.NDArray[np.int64]:
    shape = tuple(int(c.max()) + 1 for c in codes.values())
    cell = np.ravel_multi_index(tuple(codes.values()), shape)
    return np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape)


def make_layout(sample: Sample) -> Layout | None:
    """Return the crossing of the groups that vary, or None for continuous factors and above a million cells.

    Groups beside the verdict's two that are not fully crossed with each other (a strategy that exists only for
    some schedules) are merged into one, and those of its levels that were run with less than half of the other
    groups' levels are set apart: reference cells, such as static noise beside the annealed policies.
    """
    if any(f.kind == "continuous" for f in sample.factors):
        return None
    by_group = {
        group: [f for f in sample.factors if f.group == group]
        for group in sample.groups
        if any(f.group == group for f in sample.factors)
    }
    everything = np.ones(len(sample.rows), dtype=bool)
    codes = {group: _group_codes(factors, sample.outcome) for group, factors in by_group.items()}
    if not codes or np.prod([float(c.max() + 1) for c in codes.values()]) > 1e6:
        return None
    counts = _crossing(codes)
    others = [group for group in codes if group not in (SYNCHRONISATION, SHAPE)]
    if not (counts == 0).any() or not others:
        return Layout(codes, counts, everything, sample.groups)
    merged = {group: c for group, c in codes.items() if group not in others}
    name = "policy" if len(others) > 1 else others[0]
    merged[name] = _group_codes([f for group in others for f in by_group[group]], sample.outcome)
    full = _crossing(merged) > 0
    axes = tuple(range(full.ndim - 1))
    kept = full.mean(axis=axes) >= 0.5
    inside = kept[merged[name]]
    if not inside.any() or inside.mean() < 0.5:
        return Layout(codes, counts, everything, sample.groups)
    tidy = {g: np.unique(c[inside], return_inverse=True)[1].astype(np.int64) for g, c in merged.items()}
    tidy = {g: c for g, c in tidy.items() if c.max() > 0}
    columns = {group: names for group, names in sample.groups.items() if group not in others}
    columns[name] = [column for group in others for column in sample.groups[group]]
    notes = [f"{' and '.join(others)} are not crossed and count as one group, {name}"] if len(others) > 1 else []
    if not inside.all():
        notes.append(f"{int((~inside).sum())} trials lie outside the full crossing and are shown as a reference only")
    return Layout(tidy, _crossing(tidy), inside, columns, tuple(notes))


def _nested_across(sample: Sample) -> bool:
    """Whether a factor exists for some levels of another group's factor only: the groups cannot be fully crossed then.

    Within one group a nested factor's levels are combinations like any others.
    """
    group = {factor.name: factor.group for factor in sample.factors}
    return any(
        factor.nest is not None and any(group.get(name, factor.group) != factor.group for name in factor.nest.ancestors)
        for factor in sample.factors
    )


def choose_method(sample: Sample, layout: Layout | None) -> Method:
    """Return the estimator that fits: ``factorial`` for a designed crossing, else ``space_filling``.

    A crossing with empty cells counts as designed, unless it is far too large for the sample or the runs fell
    into it as evenly and as unevenly as chance throws them.
    """
    if sample.space.sampler == PICK_FREEZE:
        return "pick_freeze"
    if layout is None:
        return "space_filling"
    runs = int(layout.inside.sum())
    if layout.empty == 0:
        return "factorial"
    if _nested_across(sample):
        return "space_filling"
    if runs < 0.5 * layout.cells:
        return "space_filling" if runs >= 16 else "factorial"
    labels = sample.rows[REPLICATE]
    reused = sample.replicates and labels.nunique() <= max(2, 0.5 * runs) and labels.nunique() > 1
    expected = runs / layout.cells
    dispersion = float(((layout.counts - expected) ** 2).sum() / expected)
    by_chance = 0.01 < float(stats.chi2.cdf(dispersion, layout.cells - 1)) < 0.99
    return "space_filling" if by_chance and not reused else "factorial"


def outcome_inside(sample: Sample, layout: Layout) -> npt.NDArray[np.float64]:
    """The outcomes of the rows that the layout keeps."""
    return sample.rows.loc[layout.inside, OUTCOME].to_numpy(dtype=float)
