"""Were the levels drawn evenly, and do failures keep to some of them?"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from analysis.factors import Factor
from analysis.layout import Layout
from analysis.sample import Sample

__all__ = ["failure_depends_on_level", "looks_adaptive", "uniformity_p_values"]

ADAPTIVE_P = 0.001
FAILURE_P = 0.001
PARTS = 6
PERMUTATIONS = 20_000
"""At least; of more than ten factors twice as many as `FAILURE_P`, corrected for their number, can be reached with."""


def uniformity_p_values(sample: Sample) -> dict[str, float]:
    """Return each factor's p value for an even draw: chi-squared for categories, else Kolmogorov-Smirnov.

    A conditional factor is tested among the trials in which it exists.
    """
    return {factor.name: _p_value(factor, sample) for factor in sample.factors}


def _p_value(factor: Factor, sample: Sample) -> float:
    exists = factor.exists & sample.independent
    if not exists.any():
        return 1.0
    if factor.values is None:
        assert factor.codes is not None
        return float(stats.chisquare(np.bincount(factor.codes[exists], minlength=len(factor.levels))).pvalue)
    position = (factor.values[exists] + 1) / 2
    if factor.scale is not None and factor.scale.step is not None:  # spread evenly over its cell, each draw is uniform
        numbers = np.sort(sample.rows.loc[exists, factor.name].to_numpy(dtype=float))
        lower, upper = factor.scale.cells(numbers)
        spread = np.random.default_rng(0).uniform(size=len(numbers))
        return float(stats.kstest(lower + (upper - lower) * spread, "uniform").pvalue)
    values, counts = np.unique(position, return_counts=True)
    if len(values) <= 0.25 * len(position) and len(values) <= 64:  # a stepped range: few values, evenly spaced
        return float(stats.chisquare(counts).pvalue)
    return float(stats.kstest(position, "uniform").pvalue)


def looks_adaptive(sample: Sample, layout: Layout | None) -> bool:
    """Whether some factor's levels were met too unevenly for a design or a uniform draw.

    Bonferroni-corrected over the factors, p < 0.001. Of a factorial (`layout`) with cells set apart only the
    crossing counts, by the margins of its groups.
    """
    if layout is not None:
        margins = [_margin(layout, axis) for axis in range(layout.counts.ndim)]
        p_values = [float(stats.chisquare(margin).pvalue) for margin in margins if len(margin) > 1]
    else:
        p_values = list(uniformity_p_values(sample).values())
    return bool(p_values) and min(p_values) * len(p_values) < ADAPTIVE_P


def _margin(layout: Layout, axis: int) -> npt.NDArray[np.int64]:
    others = tuple(a for a in range(layout.counts.ndim) if a != axis)
    return np.asarray(layout.counts.sum(axis=others))


def failure_depends_on_level(sample: Sample) -> bool:
    """Whether lost trials cluster on levels of some factor: a permutation chi-squared test.

    A continuous factor is cut into `PARTS` ranges of equally many trials, and its values among the lost are also
    compared with the others by a Kolmogorov-Smirnov test, which sees what lies to one side. A conditional factor is
    tested among the trials that have a value. Bonferroni-corrected over all tests, p < 0.001.
    """
    lost = len(sample.lost)
    if not sample.factors or lost < 3:
        return False
    generator = np.random.default_rng(0)
    tests = sum(1 if factor.kind == "categorical" else 2 for factor in sample.factors)
    permutations = max(PERMUTATIONS, round(2 * tests / FAILURE_P))
    for factor in sample.factors:
        used, gone = sample.rows[factor.name], sample.lost[factor.name]
        if factor.kind == "continuous":
            left, right = (pd.to_numeric(part, errors="coerce").dropna().to_numpy(dtype=float) for part in (used, gone))
            if len(right) < 3 or not len(left):
                continue
            if float(stats.ks_2samp(left, right).pvalue) < FAILURE_P / tests:
                return True
            values = np.concatenate([left, right])
            codes = np.unique((stats.rankdata(values) - 0.5) * PARTS // len(values), return_inverse=True)[1]
            missing = len(right)
        else:
            codes = pd.factorize(pd.concat([used, gone]).astype(str), sort=True)[0]
            missing = lost
        if _clustered(codes, missing, permutations, generator) < FAILURE_P / tests:
            return True
    return False


def _clustered(codes: npt.NDArray[np.int64], lost: int, permutations: int, generator: np.random.Generator) -> float:
    """The p value of the levels of the last `lost` rows, were they lost at random."""
    sizes = np.bincount(codes).astype(float)
    expected = sizes * lost / len(codes)
    met = _chi_squared(np.bincount(codes[-lost:], minlength=len(sizes)), expected)
    drawn = generator.multivariate_hypergeometric(sizes.astype(int), lost, size=permutations)
    above = int((_chi_squared(drawn, expected) >= met - 1e-9).sum())
    return (above + 1) / (permutations + 1)


def _chi_squared(counts: npt.NDArray[np.int64], expected: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(((counts - expected) ** 2 / expected).sum(axis=-1))
