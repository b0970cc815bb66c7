"""How unequal the noise of a factorial's cells is, and how well it is known."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.shares import Subset

__all__ = ["noise_part", "variance_ratio"]

Floats = npt.NDArray[np.float64]

PRIOR_PART, PRIOR_DF = 0.1, 6.0
"""What part of its nominal degrees of freedom the noise is supposed to have before its scatter is looked at: that of
heavy tails (Student's t with 3 degrees of freedom); of few, up to 0.3, as many as make `PRIOR_DF`. Chosen so that the
intervals of planted shares cover at least 92 % under normal, skewed, heavy-tailed and unequal noise
(``docs/results/calibration``)."""

PRIOR_PRECISION = 4.0
"""How sure of that: as sure as 32 cells of three runs make one of what they show."""

SMALLEST_RATIO = 1e-3
"""Levels whose runs all agree count as this much as noisy as the mean."""


def noise_part(squares: Floats, df: Floats) -> tuple[float, float]:
    """Return the part of its nominal degrees of freedom that the mean square error is worth, and what its scatter says.

    `squares` are the cells' sums of squares about their means, `df` their degrees of freedom. Under equal normal noise
    the cells' variances scatter as chi-squared says; skewed or unequal noise scatters more, and the mean square error
    is then known less well than its nominal degrees of freedom say (Satterthwaite; Box, Annals of Mathematical
    Statistics 25, 1954). The scatter of a few variances is itself little known, and underestimated where the noise is
    skewed: on the scale of logarithms it is averaged with `PRIOR_PART`, by their precisions.
    """
    informed = int((df > 0).sum())
    total = float(df.sum())
    mean = squares.sum() / max(total, 1.0)
    if informed < 2 or mean <= 0:
        return 1.0, 1.0
    scatter = ((squares - df * mean) ** 2).sum() / total**2 * informed / (informed - 1)
    part = 2.0 * mean**2 / max(scatter, 1e-300) / total
    # The variance of the logarithm of a sample variance is (kurtosis - 1) / n; chi-squared has 3 + 12 / df.
    precision = informed / (2.0 + 12.0 * informed / total)
    trust = precision / (precision + PRIOR_PRECISION)
    prior = max(PRIOR_PART, min(0.3, PRIOR_DF / total))
    return float(np.clip(part**trust * prior ** (1.0 - trust), 1.0 / total, 1.0)), float(min(part, 1.0))


def variance_ratio(
    squares: Floats, df: Floats, groups: tuple[str, ...], excess: Mapping[Subset, float] | None = None
) -> Floats:
    """Return each cell's noise variance over the mean of all, as far as it differs by the levels of the groups.

    `squares` and `df` are the cells' sums of squares and degrees of freedom, one axis a group. The logarithms of the
    levels' variances scatter by the trigamma function of half their degrees of freedom when all are equal; what
    they scatter beyond that is believed (empirical Bayes, as Smyth, Statistical Applications in Genetics 3, 2004).
    `excess[subset]` says by how much subset x block is noisier than the residual: a level's variance then has fewer
    degrees of freedom than it has runs.
    """
    ratio = np.ones(squares.shape)
    mean = squares.sum() / max(df.sum(), 1e-300)
    if mean <= 0:
        return ratio
    for axis, group in enumerate(groups):
        others = tuple(a for a in range(squares.ndim) if a != axis)
        freedom = df.sum(axis=others)
        if freedom.size < 2 or (freedom <= 0).any():
            continue
        logs = np.log(np.maximum(squares.sum(axis=others) / freedom / mean, SMALLEST_RATIO))
        cells = max(squares.size / freedom.size, 1.0)
        beyond = 1.0 + max((excess or {}).get(frozenset({group}), 0.0), 0.0)
        worth = freedom * (beyond + cells - 1.0) ** 2 / (beyond**2 + cells - 1.0) / cells
        chance = special.polygamma(1, worth / 2.0)
        centred = logs - logs.mean()
        real = max(float((centred**2).sum() / (len(logs) - 1) - chance.mean()), 0.0)
        levels = np.exp(centred * real / (real + chance))
        ratio = ratio * np.expand_dims(levels, others)
    return np.asarray(ratio / ratio.mean())
