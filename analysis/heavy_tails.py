"""Heavy tails: how well a sample knows the variance of noise that now and then is far off.

Runs that are far off are rare and carry much of the variance: a sample that happens to hold few of them has too small a
variance, and nothing in it says so but the shape of its tails. So where the residuals have heavier tails than normal
noise shows by chance, the noise's variance is drawn from Student's t distributions that fit them: degrees of freedom
from their posterior (even in their inverse), variance ``s^2 df / (df - 2)``.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.shares import Components

__all__ = ["has_heavy_tails", "with_heavy_tails"]

Floats = npt.NDArray[np.float64]

INVERSE_DF = np.linspace(0.02, 0.44, 22)
"""The inverses of the degrees of freedom considered: from 50, all but normal, to 2.3, whose variance barely exists."""
ITERATIONS = 30


def has_heavy_tails(residuals: Floats) -> bool:
    """Whether the kurtosis is above what normal noise shows by chance in 98 of 100 samples."""
    centred = residuals - residuals.mean()
    square = float((centred**2).mean())
    if square <= 0 or len(residuals) < 20:
        return False
    return bool(float((centred**4).mean()) / square**2 > 3.0 + 2.0 * np.sqrt(24.0 / len(residuals)))


def with_heavy_tails(drawn: Components, residuals: Floats, generator: np.random.Generator) -> Components:
    """Return the draws with the noise's variance as large and as uncertain as heavy tails make it."""
    if not has_heavy_tails(residuals):
        return drawn
    centred = residuals - np.median(residuals)
    df = 1.0 / INVERSE_DF
    squares = np.array([_scale_square(centred, one) for one in df])
    likelihood = np.array(
        [stats.t.logpdf(centred, one, scale=np.sqrt(square)).sum() for one, square in zip(df, squares, strict=True)]
    )
    weights = np.exp(likelihood - likelihood.max())
    chosen = generator.choice(len(df), size=len(drawn.noise), p=weights / weights.sum())
    ratio = squares * df / (df - 2.0) / float((centred**2).mean())
    beyond = np.sqrt(6.0 / (df * len(centred)))  # of the logarithm, above the normal theory's
    factor = ratio[chosen] * np.exp(beyond[chosen] * generator.standard_normal(len(chosen)))
    return Components(drawn.parts, drawn.noise * factor)


def _scale_square(centred: Floats, df: float) -> float:
    """Return the square of the scale of the t distribution that fits best, by the EM algorithm."""
    square = float((centred**2).mean())
    for _ in range(ITERATIONS):
        square = float((centred**2 * (df + 1.0) / (df + centred**2 / square)).mean())
    return square
