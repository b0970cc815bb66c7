"""Variance components of a balanced factorial, with their confidence distribution.

Orthogonal sums of squares of the cell means for every subset of groups; unbiased components
``(SS - df MSE) / N`` (method of moments); the confidence distribution draws ``sigma^2 = SSE / chi2(nu)`` and each
non-centrality by inverting the non-central chi-squared distribution at ``SS / sigma^2``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.noncentral import draw_noncentrality, draw_variance
from analysis.shares import Components, Subset, all_subsets

__all__ = ["FactorialFit", "draw_components", "fit_factorial"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


PRIOR_PART = 0.3
"""What part of its nominal degrees of freedom the noise is supposed to have before its scatter is looked at: that of
skewed, unequal noise, with some caution. Chosen so that the intervals of planted shares cover 93 to 98 % under normal
and under skewed, unequal noise (``docs/results/calibration``)."""

PRIOR_PRECISION = 4.0
"""How sure of that: as sure as 32 cells of three runs make one of what they show."""


@dataclass(frozen=True)
class FactorialFit:
    """Sums of squares of one factorial.

    ``mean_squares[subset]`` is the mean over cells of the squared effect, ``df`` its degrees of freedom;
    ``size`` the number of runs that the cell means are worth (harmonic cell size times cells). ``mse`` has
    ``residual_df`` degrees of freedom nominally, and ``noise_df`` once its cell-to-cell scatter is allowed for.
    ``block_square`` is the between-replicates counterpart with ``block_df`` (0: replicates are not crossed).
    """

    groups: tuple[str, ...]
    mean_squares: dict[Subset, float]
    df: dict[Subset, int]
    cells: int
    size: float
    mse: float
    residual_df: int
    noise_df: float
    block_square: float
    block_df: int
    means: Floats

    def estimate(self) -> Components:
        """The unbiased components: negative where a sum of squares is less than noise alone would give."""
        parts = {
            subset: np.asarray(square - self.df[subset] * self.mse / self.size)
            for subset, square in self.mean_squares.items()
        }
        noise = self.mse
        if self.block_df:
            noise += (self.block_square - self.block_df * self.mse / self.size) * _bessel(self.block_df)
        return Components(parts, np.asarray(noise))


def _bessel(df: int) -> float:
    return (df + 1) / df


def fit_factorial(
    codes: dict[str, Codes], outcome: Floats, replicates: Sequence[str] | npt.NDArray[np.object_]
) -> FactorialFit:
    """Fit the factorial of the groups in `codes` (one level number per run) to `outcome` (one per run).

    Every cell must hold a run, and some cell two. Replicates that recur across cells (the same seed, the same
    fold) are blocks: their shift is taken out of the comparison of cells and put into the noise.
    """
    groups = tuple(codes)
    shape = tuple(int(codes[g].max()) + 1 for g in groups)
    cells = int(np.prod(shape))
    cell = np.ravel_multi_index(tuple(codes[g] for g in groups), shape)
    counts = np.bincount(cell, minlength=cells).astype(float)
    labels, block = np.unique(np.asarray(replicates, dtype=str), return_inverse=True)

    shift, block_df = np.zeros(len(outcome)), 0
    if _crossed(cell, block, cells, len(labels)):
        shift, block_df = _block_shift(outcome, cell, block, counts, len(labels)), len(labels) - 1
    adjusted = outcome - shift
    means = np.bincount(cell, weights=adjusted, minlength=cells) / counts
    within = adjusted - means[cell]
    residual_df = len(outcome) - cells - block_df
    mse = float((within**2).sum() / max(residual_df, 1))

    harmonic = float(cells / (1.0 / counts).sum())
    squares, df = _effects(means.reshape(shape), groups)
    block_square = float(np.mean((_level_means(shift, block) - shift.mean()) ** 2)) if block_df else 0.0
    return FactorialFit(
        groups=groups,
        mean_squares=squares,
        df=df,
        cells=cells,
        size=harmonic * cells,
        mse=mse,
        residual_df=residual_df,
        noise_df=_noise_df(within, cell, counts, residual_df),
        block_square=block_square,
        block_df=block_df,
        means=means.reshape(shape),
    )


def _level_means(values: Floats, codes: Codes) -> Floats:
    return np.asarray(np.bincount(codes, weights=values) / np.bincount(codes))


def _crossed(cell: Codes, block: Codes, cells: int, blocks: int) -> bool:
    """Whether replicates recur across cells: at most one run per cell and replicate, most of them there."""
    if blocks < 2 or cells < 2:
        return False
    pairs = np.unique(cell * blocks + block).size
    return bool(pairs == len(cell) and pairs >= 0.75 * cells * blocks)


def _block_shift(outcome: Floats, cell: Codes, block: Codes, counts: Floats, blocks: int) -> Floats:
    """Least-squares replicate effects of the additive model cell + replicate, per run, summing to zero."""
    inside = outcome - (np.bincount(cell, weights=outcome, minlength=len(counts)) / counts)[cell]
    member = np.zeros((len(counts), blocks))
    np.add.at(member, (cell, block), 1.0)
    normal = np.diag(member.sum(axis=0)) - member.T @ (member / counts[:, None])
    right = np.bincount(block, weights=inside, minlength=blocks)
    effect = np.linalg.lstsq(normal, right, rcond=None)[0]
    return np.asarray((effect - effect.mean())[block])


def _effects(means: Floats, groups: tuple[str, ...]) -> tuple[dict[Subset, float], dict[Subset, int]]:
    """Mean squared effect and degrees of freedom of every subset of groups (axes of `means`)."""
    squares, df = {}, {}
    for subset in all_subsets(groups):
        effect = means
        for axis, group in enumerate(groups):
            average = effect.mean(axis=axis, keepdims=True)
            effect = effect - average if group in subset else average
        squares[subset] = float(np.mean(effect**2))
        df[subset] = int(np.prod([means.shape[groups.index(g)] - 1 for g in subset]))
    return squares, df


def _noise_df(within: Floats, cell: Codes, counts: Floats, residual_df: int) -> float:
    """Degrees of freedom of the mean square error: Satterthwaite's, from the scatter of the cells' variances.

    Under equal normal noise the cells' variances scatter as chi-squared says; skewed or unequal noise scatters more,
    and the mean square error is then known less well than its nominal degrees of freedom say (Box, Annals of
    Mathematical Statistics 25, 1954). The scatter of a few variances is itself little known, and underestimated where
    the noise is skewed: on the scale of logarithms it is averaged with `PRIOR_PART`, by their precisions.
    """
    weights = counts - 1.0
    squares = np.bincount(cell, weights=within**2, minlength=len(counts))
    informed = int((weights > 0).sum())
    mean = squares.sum() / max(weights.sum(), 1.0)
    if informed < 2 or mean <= 0:
        return float(residual_df)
    scatter = ((squares - weights * mean) ** 2).sum() / weights.sum() ** 2 * informed / (informed - 1)
    part = 2.0 * mean**2 / max(scatter, 1e-300) / residual_df
    # The variance of the logarithm of a sample variance is (kurtosis - 1) / n; chi-squared has 3 + 12 / df.
    precision = informed / (2.0 + 12.0 * informed / weights.sum())
    trust = precision / (precision + PRIOR_PRECISION)
    return float(np.clip(part**trust * PRIOR_PART ** (1.0 - trust) * residual_df, 1.0, residual_df))


def draw_components(fit: FactorialFit, draws: int, generator: np.random.Generator, *, fast: bool = False) -> Components:
    """Return draws of the components from their confidence distribution.

    The streams of random numbers are dealt to the subsets in the order of their sums of squares, so that names
    and their order change nothing.
    """
    order = sorted(fit.mean_squares, key=lambda s: (len(s), fit.df[s], fit.mean_squares[s]))
    uniforms = generator.uniform(size=(len(order) + 2, draws))
    variance = draw_variance(fit.mse * fit.noise_df, fit.noise_df, uniforms[0])
    parts = {}
    for stream, subset in zip(uniforms[2:], order, strict=True):
        ratio = fit.mean_squares[subset] * fit.size / variance
        centrality = draw_noncentrality(ratio, fit.df[subset], stream, fast=fast)
        parts[subset] = centrality * variance / fit.size
    noise = variance
    if fit.block_df:
        ratio = fit.block_square * fit.size / variance
        centrality = draw_noncentrality(ratio, fit.block_df, uniforms[1], fast=fast)
        noise = variance + centrality * variance / fit.size * _bessel(fit.block_df)
    return Components(parts, np.asarray(noise))
