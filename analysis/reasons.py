"""Why there is no verdict, in the words of the sample at hand: which factor, how many trials, which combinations."""

import itertools

import numpy as np

from analysis.gates import FEWEST_BLOCKS, SMALLEST_RANDOM_SAMPLE, SMALLEST_RESIDUAL_DF
from analysis.layout import Layout
from analysis.ranges import PICK_FREEZE
from analysis.sample import Sample
from analysis.uniformity import uniformity_p_values
from analysis.verdict import explain

__all__ = ["explain_sample"]

_MOST_CELLS = 3


def explain_sample(reason: str, sample: Sample, layout: Layout | None, method: str) -> str:
    """Return what a code of `analysis.verdict.REASONS` means for this sample.

    Says the numbers where there are any: the least evenly drawn factor with its p value, the trials that there are
    and those that are needed, the combinations that lack a finished trial.
    """
    if reason == "not_uniform" and not sample.space.adaptive:
        return _uneven(sample)
    if reason == "too_few_trials":
        return _too_few(sample, method)
    if reason == "empty_cell" and layout is not None:
        return _empty(sample, layout)
    return explain(reason, sample.space.sampler if sample.space.adaptive else None)


def _uneven(sample: Sample) -> str:
    p_values = uniformity_p_values(sample)
    if not p_values:
        return explain("not_uniform")
    worst = min(p_values, key=lambda name: p_values[name])
    return (
        f"`{worst}` was not drawn evenly (p = {p_values[worst]:.2g}). A TPE study always looks so; a random one should "
        "not"
    )


def _too_few(sample: Sample, method: str) -> str:
    finished = len(sample.rows)
    said = f"{finished} finished trial{'' if finished == 1 else 's'}"
    if method == "factorial":
        return f"{said}; a factorial needs {SMALLEST_RESIDUAL_DF} at least"
    if method == PICK_FREEZE:
        return f"{said}; {FEWEST_BLOCKS} whole blocks of a pick-freeze design are needed"
    return f"{said}; {SMALLEST_RANDOM_SAMPLE} *random* ones are needed, and TPE trials do not count"


def _empty(sample: Sample, layout: Layout) -> str:
    """Name the combinations of levels that have no finished trial."""
    names = list(layout.groups)
    empty = [tuple(int(code) for code in cell) for cell in np.argwhere(layout.counts == 0)]
    said = [
        " with ".join(_level(sample, layout, name, code) for name, code in zip(names, cell, strict=True))
        for cell in itertools.islice(empty, _MOST_CELLS)
    ]
    more = f", and {len(empty) - _MOST_CELLS} more" if len(empty) > _MOST_CELLS else ""
    have = "has" if len(empty) == 1 else "have"
    return f"{len(empty)} of {layout.cells} combinations {have} no finished trial: {'; '.join(said)}{more}"


def _level(sample: Sample, layout: Layout, group: str, code: int) -> str:
    """Name one level of a group by the levels of its columns."""
    rows = np.flatnonzero(layout.inside)
    row = rows[int(np.flatnonzero(layout.codes[group] == code)[0])]
    factors = [f for f in sample.factors if f.name in layout.groups[group] and f.codes is not None and f.exists[row]]
    return ", ".join(f"{f.name} = {f.levels[int(f.codes[row])]}" for f in factors if f.codes is not None) or group
