"""Confidence distributions of a variance and of a non-centrality, drawn rather than tabulated."""

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = ["draw_noncentrality", "draw_variance"]

Floats = npt.NDArray[np.float64]

EXACT_BELOW = 2000.0


def draw_variance(sum_of_squares: float, df: float, uniforms: Floats) -> Floats:
    """Return draws of ``sigma^2 = SSE / chi2(df)``, one per uniform number.

    This is the confidence (and fiducial) distribution of a normal variance.
    """
    return np.asarray(sum_of_squares / np.maximum(special.chdtri(df, uniforms), 1e-300))


def draw_noncentrality(ratio: Floats, df: float | Floats, uniforms: Floats, *, fast: bool = False) -> Floats:
    """Return draws of the non-centrality of a chi-squared statistic from its confidence distribution.

    For each entry solves ``P(chi2(df, nc) <= ratio) = u`` for ``nc``; where even ``nc = 0`` gives less than
    ``u`` the draw is 0, so that the distribution has an atom there. `ratio` is ``SS / sigma^2``. Exact
    (`scipy.special.chndtrinc`) below 2,000; above, and everywhere with `fast`, Abdel-Aty's cube-root
    approximation (Biometrika 41, 1954), whose error there is below one unit of non-centrality.
    """
    ratio, df, uniforms = np.broadcast_arrays(np.asarray(ratio, dtype=float), np.asarray(df, dtype=float), uniforms)
    found = np.zeros(ratio.shape)
    positive = (ratio > 0) & (special.chdtr(df, ratio) > uniforms)
    exact = positive & (ratio < EXACT_BELOW) & (not fast)
    found[exact] = special.chndtrinc(ratio[exact], df[exact], uniforms[exact])
    rest = positive & ~exact
    if rest.any():
        found[rest] = _approximate(ratio[rest], df[rest], uniforms[rest])
    return np.nan_to_num(found, nan=0.0, posinf=0.0)


def _approximate(ratio: Floats, df: Floats, uniforms: Floats) -> Floats:
    """Solve Abdel-Aty's approximation for the non-centrality by bisection."""
    z = special.ndtri(np.clip(uniforms, 1e-12, 1 - 1e-12))
    low, high = np.zeros_like(ratio), (np.sqrt(ratio) + 9.0) ** 2 + 50.0
    for _ in range(26):
        middle = 0.5 * (low + high)
        mean = df + middle
        variance = 2.0 * (df + 2.0 * middle) / (9.0 * mean * mean)
        below = (np.cbrt(ratio / mean) - 1.0 + variance) > z * np.sqrt(variance)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(0.5 * (low + high))
