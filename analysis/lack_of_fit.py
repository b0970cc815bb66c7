"""Does the basis fit? What it leaves unexplained against pure error: what runs of one point differ by.

A polynomial of degree 4 does not follow a narrow optimum, and pairs of factors no interaction of three. What they miss
looks like noise; runs of the same point show how much noise there is. Their ratio is tested (Draper and Smith, Applied
Regression Analysis, section 2.1), and what may have been missed is added to the groups, nobody knows to which.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.factors import Factor
from analysis.shares import Components, Subset

__all__ = ["FEWEST_PAIRS", "LACK_P", "PureError", "lack_of_fit", "pure_error", "with_missed"]

Floats = npt.NDArray[np.float64]

LACK_P = 0.01
CONCENTRATION = 0.2
"""Of the Dirichlet distribution of what was missed: below 1, because a misfit is mostly one group's."""
FEWEST_PAIRS = 5
"""Degrees of freedom of pure error below which nothing is known of the noise."""


@dataclass(frozen=True)
class PureError:
    """Sum of squares of runs about the mean of their point, and its degrees of freedom."""

    squares: float
    df: int


def pure_error(factors: tuple[Factor, ...], outcome: Floats) -> PureError:
    """Return the pure error of points that were run more than once."""
    columns = [f.values if f.values is not None else f.codes for f in factors]
    exists = [f.exists for f in factors if f.nest is not None]
    table = np.stack([np.asarray(column, dtype=float) for column in [*columns, *exists] if column is not None], axis=1)
    point = np.unique(table, axis=0, return_inverse=True)[1].reshape(-1)
    counts = np.bincount(point)
    means = np.bincount(point, weights=outcome) / counts
    return PureError(float(((outcome - means[point]) ** 2).sum()), int((counts - 1).sum()))


def lack_of_fit(error: PureError, residual_squares: float, residual_df: float) -> float | None:
    """Return the p value of a basis that fits; None where too few points were run twice to tell.

    ``residual_squares`` and ``residual_df`` are those of the fit.
    """
    df = residual_df - error.df
    if error.df < FEWEST_PAIRS or df < 1 or error.squares <= 0:
        return None
    ratio = max(residual_squares - error.squares, 0.0) / df / (error.squares / error.df)
    return float(stats.f.sf(ratio, df, error.df))


def with_missed(
    drawn: Components, error: PureError, fits: float, groups: list[str], generator: np.random.Generator
) -> Components:
    """Return the draws with what the fit may have missed taken off the noise and given to the groups.

    The true noise variance is drawn from ``SS / chi2(df)``; where it is less than that of the fit, the difference is
    some group's, in parts from none to all of it. ``fits`` is the p value of `lack_of_fit`: the larger, the fewer draws
    miss anything at all, down to half of them.
    """
    draws = len(drawn.noise)
    noise = error.squares / generator.chisquare(error.df, draws)
    misses = generator.uniform(size=draws) < 1.0 - 0.5 * fits
    missed = np.where(misses, np.maximum(drawn.noise - noise, 0.0), 0.0)
    weights = generator.dirichlet(np.full(len(groups), CONCENTRATION), draws)
    parts: dict[Subset, Floats] = dict(drawn.parts)
    for place, group in enumerate(groups):
        own = frozenset({group})
        parts[own] = parts.get(own, np.zeros(draws)) + missed * weights[:, place]
    return Components(parts, drawn.noise - missed)
