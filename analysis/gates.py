"""The gates: what forbids a verdict, whatever the shares look like."""

import numpy as np
import pandas as pd

from analysis.factors import SHAPE, SYNCHRONISATION
from analysis.layout import Layout
from analysis.ranges import PICK_FREEZE
from analysis.sample import BLOCK, REPLICATE, Sample
from analysis.uniformity import failure_depends_on_level, looks_adaptive

__all__ = ["gates", "too_few_trials"]

LARGEST_LOSS = 0.10
SMALLEST_RANDOM_SAMPLE = 128
SMALLEST_RESIDUAL_DF = 8
FEWEST_BLOCKS = 40
"""Of a pick-freeze design: 200 runs. The bootstrap of fewer blocks is not calibrated."""
FEWEST_SEEDS = 10
"""Of a random sample: the part of the accuracy that is one seed's would count as the factors' where all share it."""


def gates(sample: Sample, layout: Layout | None, method: str) -> list[str]:
    """Return the codes of `analysis.verdict.REASONS` that forbid a verdict, the gravest first."""
    found: list[str] = []
    varied = {factor.group for factor in sample.factors}
    if not {SYNCHRONISATION, SHAPE} <= set(sample.groups):
        found.append("group_missing")
    elif not {SYNCHRONISATION, SHAPE} <= varied:
        found.append("not_varied")
    values = sample.outcome
    if len(values) > 1 and np.ptp(values) <= 1e-12 * np.abs(values).max():
        found.append("constant_outcome")
    found += _losses(sample)
    if sample.space.adaptive:  # whatever the numbers look like, and however many there are
        return [*found, "not_uniform"]
    found += _factorial(sample, layout) if method == "factorial" else _sampled(sample, method)
    if len(values) >= 2 and looks_adaptive(sample, layout if method == "factorial" else None):
        found.append("not_uniform")
    return found


def _losses(sample: Sample) -> list[str]:
    counts, found = sample.counts, []
    finished = counts["used"] + counts["failed"] + counts["pruned"]
    if counts["pruned"] > LARGEST_LOSS * finished:
        found.append("pruned")
    if counts["failed"] > LARGEST_LOSS * finished:
        found.append("failed")
    if failure_depends_on_level(sample):
        found.append("failure_depends_on_level")
    return found


def _factorial(sample: Sample, layout: Layout | None) -> list[str]:
    if layout is None or len(sample.rows) < SMALLEST_RESIDUAL_DF:
        return ["too_few_trials"]
    if layout.empty:
        return ["empty_cell"]
    runs = int(layout.inside.sum())
    if layout.counts.max() < 2:
        return ["no_replicates"]
    residual = runs - layout.cells
    labels: pd.Series = sample.rows.loc[layout.inside, REPLICATE]
    if labels.nunique() <= layout.counts.max():
        residual -= labels.nunique() - 1
    return ["too_few_residual_df"] if residual < SMALLEST_RESIDUAL_DF else []


def too_few_trials(sample: Sample, method: str) -> bool:
    """Whether an estimator of samples has fewer trials than it is calibrated for: it then says nothing."""
    if method == "factorial":
        return False
    if method == PICK_FREEZE:
        return sample.rows[BLOCK].nunique() < FEWEST_BLOCKS or len(sample.rows) < 4 * FEWEST_BLOCKS
    return len(sample.rows) < SMALLEST_RANDOM_SAMPLE


def _sampled(sample: Sample, method: str) -> list[str]:
    found = ["too_few_trials"] if too_few_trials(sample, method) else []
    if sample.replicates and sample.rows[REPLICATE].nunique() < min(FEWEST_SEEDS, len(sample.rows)):
        found.append("one_seed")
    return found
