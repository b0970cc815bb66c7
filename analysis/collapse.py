"""Levels of which every run collapsed: whether one in ten would not is not known from few runs.

Where most runs of a level fall to chance, the few that do not carry most of its noise. A sample that happens to hold
none of them shows a level that is low and quiet, and its own variance says nothing of what a new seed would bring.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.factorial import FactorialFit

__all__ = ["ENOUGH_RUNS", "has_collapsed_level"]

Floats = npt.NDArray[np.float64]

ENOUGH_RUNS = 29
"""So many runs hold, in 95 of 100 cases, one that did not collapse where one in ten does not: ``0.9^29 < 0.05``."""
FAR = 5.0
"""A level is far below the rest where its mean is so many standard deviations of a run below the levels' median."""
QUIET_P = 0.001
"""A level is quiet where its variance is less than that of the median level's with such an F test's p value."""


def has_collapsed_level(fit: FactorialFit) -> bool:
    """Whether a level has fewer than `ENOUGH_RUNS` runs that are all far below the rest and agree far better.

    A higher outcome is better, as everywhere.
    """
    return any(_collapsed(fit, axis).any() for axis in range(fit.means.ndim))


def _collapsed(fit: FactorialFit, axis: int) -> npt.NDArray[np.bool_]:
    """Which levels of one group have collapsed."""
    others = tuple(a for a in range(fit.means.ndim) if a != axis)
    own = np.maximum(fit.counts - 1.0, 0.0)
    freedom = own.sum(axis=others)
    variance = (fit.variances * own).sum(axis=others) / np.maximum(freedom, 1.0)
    mean = fit.means.mean(axis=others)
    usual, middle = float(np.median(variance)), float(np.median(mean))
    low = mean < middle - FAR * np.sqrt(usual)
    ratio = variance / max(usual, 1e-300)
    quiet = stats.f.cdf(ratio, np.maximum(freedom, 1.0), max(float(np.median(freedom)), 1.0)) < QUIET_P
    return np.asarray(low & quiet & (freedom > 0) & (fit.counts.sum(axis=others) < ENOUGH_RUNS))
