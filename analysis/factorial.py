"""Variance components of a balanced factorial, with their confidence distribution.

Orthogonal sums of squares of the cell means for every subset of groups; unbiased components
``(SS - df error) / N`` (method of moments). Where every run has a seed of its own the error of every subset is the mean
square within cells; where seeds or folds recur across cells it is that of subset x block (`analysis.blocks`). The
confidence distribution draws the errors, then each non-centrality by inverting the non-central chi-squared
distribution at ``SS / error``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.blocks import BLOCK, ErrorTerm, draw_errors, expected_errors
from analysis.interactions import with_their_total
from analysis.noise import noise_part, variance_ratio
from analysis.noncentral import draw_noncentrality, draw_variance
from analysis.shares import Components, Subset, all_subsets

__all__ = [
    "Drawn",
    "FactorialFit",
    "draw_components",
    "draw_factorial",
    "fit_factorial",
    "subset_effect",
    "subset_effects",
]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


LARGEST_RATIO, FEWEST_NOISE_DF = 2.5, 20.0
"""A level this many times as noisy as the mean, and a noise that is known with fewer degrees of freedom than these."""

UNSURE = 0.2
"""A correlation of an effect's and the noise's errors that is only half believed: normal runs show 0.3 by chance."""


@dataclass(frozen=True)
class FactorialFit:
    """Sums of squares of one factorial.

    ``means`` are the cells' mean outcomes, one axis a group; ``mean_squares[subset]`` is the mean over cells of the
    squared effect, ``df`` its degrees of freedom; ``size`` the number of runs that the cell means are worth. ``mse``,
    the mean square of the runs about their cell's mean, blocks taken out, has ``residual_df`` degrees of freedom.

    ``errors`` holds the error terms of replicates that recur (`BLOCK`: of the block itself) and ``residual`` that of
    all groups together; without blocks ``errors`` is empty. ``ratio`` is each cell's noise variance relative to their
    mean, as far as it differs by level; ``variances`` and ``third`` are the cells' own second and third central moments
    (0: not known), blocks taken out, and ``raw_variances`` the second ones with the blocks left in. ``part`` is the
    part of their nominal degrees of freedom that the errors are worth, given how unequal and how heavy-tailed the noise
    is, and ``seen_part`` what the noise's scatter alone says of it. ``pure`` is the variance of runs of one cell *and*
    block, of which there are ``repeats`` each.
    """

    groups: tuple[str, ...]
    mean_squares: dict[Subset, float]
    df: dict[Subset, int]
    cells: int
    size: float
    mse: float
    residual_df: int
    errors: dict[Subset, ErrorTerm]
    residual: ErrorTerm
    ratio: Floats
    part: float
    seen_part: float
    means: Floats
    counts: Floats
    third: Floats
    variances: Floats
    raw_variances: Floats
    pure: ErrorTerm | None = None
    repeats: float = 1.0

    @property
    def noise_df(self) -> float:
        """The degrees of freedom that the noise is known with."""
        return max(1.0, self.part * self.residual_df)

    @property
    def block_df(self) -> int:
        """Blocks less one; 0 where replicates do not recur."""
        return round(self.errors[BLOCK].df) if self.errors else 0

    @property
    def noise_of_few_runs(self) -> bool:
        """Whether a few runs of some levels, collapsed or far off, make most of the noise."""
        highest = max(
            float(self.ratio.mean(axis=tuple(a for a in range(self.ratio.ndim) if a != axis)).max())
            for axis in range(self.ratio.ndim)
        )
        # Runs that collapse or do not scatter evenly from cell to cell, so that the cells' own scatter says too little:
        # the noise is known with no more degrees of freedom than the levels that carry it have (Satterthwaite).
        own = np.maximum(self.counts - 1.0, 0.0)
        carried = float((own * self.ratio).sum()) ** 2 / max(float((own * self.ratio**2).sum() * own.sum()), 1e-300)
        worth = min(self.seen_part, carried) * self.residual_df
        return highest > LARGEST_RATIO and worth < FEWEST_NOISE_DF

    def error_means(self) -> dict[Subset, float]:
        """Return the estimated error variance of every subset, and of the block itself."""
        if not self.errors:
            return dict.fromkeys(self.df, self.mse)
        scale, found = expected_errors(self.errors, self.residual)
        return {**found, frozenset(self.groups): scale}

    def estimate(self) -> Components:
        """The unbiased components: negative where a sum of squares is less than noise alone would give."""
        error = self.error_means()
        parts = {
            subset: np.asarray(square - self.df[subset] * error[subset] / self.size)
            for subset, square in self.mean_squares.items()
        }
        return Components(parts, np.asarray(self._noise(error)))

    def _noise(self, error: dict[Subset, float]) -> float:
        if not self.errors:
            return self.mse
        between = error[BLOCK] + sum(self.df[subset] * error[subset] for subset in self.df)
        pure = self.pure.mean_square * (1.0 - 1.0 / self.repeats) if self.pure is not None else 0.0
        return float(between / self.cells + pure)


@dataclass(frozen=True)
class Drawn:
    """Draws from the confidence distribution: the components, and the error variance of every subset's mean square."""

    components: Components
    errors: dict[Subset, Floats]


def fit_factorial(
    codes: dict[str, Codes], outcome: Floats, replicates: Sequence[str] | npt.NDArray[np.object_]
) -> FactorialFit:
    """Fit the factorial of the groups in `codes` (one level number per run) to `outcome` (one per run).

    Every cell must hold a run, and some cell two. Replicates that recur across cells (the same seed, the same
    fold) are random blocks.
    """
    groups = tuple(codes)
    shape = tuple(int(codes[g].max()) + 1 for g in groups)
    cells = int(np.prod(shape))
    cell = np.ravel_multi_index(tuple(codes[g] for g in groups), shape)
    labels, block = np.unique(np.asarray(replicates, dtype=str), return_inverse=True)
    if not _crossed(cell, block, cells, len(labels)):
        return _fit(groups, shape, cell, outcome)
    pair, place, repeats = np.unique(cell * len(labels) + block, return_inverse=True, return_counts=True)
    averages = np.bincount(place, weights=outcome) / repeats
    pure, often = None, 1.0
    if len(pair) < len(outcome):
        within = ((outcome - averages[place]) ** 2).sum()
        pure, often = ErrorTerm(float(within), float(len(outcome) - len(pair))), float(len(pair) / (1 / repeats).sum())
    cell, block = np.divmod(pair, len(labels))
    return _fit(groups, shape, cell, averages, block, len(labels), pure, often)


def _fit(
    groups: tuple[str, ...], shape: tuple[int, ...], cell: Codes, outcome: Floats,
    block: Codes | None = None, blocks: int = 0, pure: ErrorTerm | None = None, repeats: float = 1.0,
) -> FactorialFit:  # fmt: skip
    cells = int(np.prod(shape))
    counts = np.bincount(cell, minlength=cells).astype(float)
    shift = np.zeros(len(outcome)) if block is None else _block_shift(outcome, cell, block, counts, blocks)
    adjusted = outcome - shift
    means = _cell_means(adjusted, cell, counts)
    within = adjusted - means[cell]
    squares = np.asarray(np.bincount(cell, weights=within**2, minlength=cells), dtype=float)
    raw = np.bincount(cell, weights=(outcome - _cell_means(outcome, cell, counts)[cell]) ** 2, minlength=cells)
    residual_df = len(outcome) - cells - max(blocks - 1, 0)
    part, seen = noise_part(squares, counts - 1.0)
    effects = subset_effects(means.reshape(shape), groups)
    df = {s: int(np.prod([shape[groups.index(g)] - 1 for g in s])) for s in effects}
    errors: dict[Subset, ErrorTerm] = {}
    if block is None:
        # The mean of the cells' own variances: with unequal cells a pooled one would weigh the fuller ones more.
        known = counts > 1
        mse = float((squares[known] / (counts[known] - 1.0)).mean()) if known.any() else 0.0
        excess = None
        residual = ErrorTerm(mse * residual_df * part, residual_df * part)
    else:
        mse = float(squares.sum() / max(residual_df, 1))
        errors = _block_errors(within, shift, cell, block, shape, groups, df, residual_df)
        residual = errors.pop(frozenset(groups))
        scale, found = expected_errors(errors, residual)
        excess = {s: found[s] / scale - 1.0 for s in errors} if scale > 0 else None
    ratio = variance_ratio(squares.reshape(shape), (counts - 1.0).reshape(shape), groups, excess)
    return FactorialFit(
        groups=groups,
        mean_squares={s: float(np.mean(effect**2)) for s, effect in effects.items()},
        df=df,
        cells=cells,
        size=float(cells / np.mean(ratio.ravel() / counts)),
        mse=mse,
        residual_df=residual_df,
        errors=errors,
        residual=residual,
        ratio=ratio,
        part=part,
        seen_part=seen,
        means=means.reshape(shape),
        counts=counts.reshape(shape),
        variances=(squares / np.maximum(counts - 1.0, 1.0)).reshape(shape),
        raw_variances=(raw / np.maximum(counts - 1.0, 1.0)).reshape(shape),
        third=_third_moments(within, cell, counts).reshape(shape),
        pure=pure,
        repeats=repeats,
    )


def _cell_means(outcome: Floats, cell: Codes, counts: Floats) -> Floats:
    return np.asarray(np.bincount(cell, weights=outcome, minlength=len(counts)) / counts)


def _third_moments(within: Floats, cell: Codes, counts: Floats) -> Floats:
    """Return each cell's unbiased third central moment; 0 for fewer than three runs."""
    cubes = np.bincount(cell, weights=within**3, minlength=len(counts))
    enough = counts > 2
    factor = np.where(enough, counts / np.where(enough, (counts - 1.0) * (counts - 2.0), 1.0), 0.0)
    return np.asarray(factor * cubes)


def _crossed(cell: Codes, block: Codes, cells: int, blocks: int) -> bool:
    """Whether replicates recur across cells: most pairs of a cell and a replicate are there."""
    if blocks < 2 or cells < 2:
        return False
    return bool(np.unique(cell * blocks + block).size >= 0.75 * cells * blocks)


def _block_shift(outcome: Floats, cell: Codes, block: Codes, counts: Floats, blocks: int) -> Floats:
    """Least-squares replicate effects of the additive model cell + replicate, per run, summing to zero."""
    inside = outcome - _cell_means(outcome, cell, counts)[cell]
    member = np.zeros((len(counts), blocks))
    np.add.at(member, (cell, block), 1.0)
    normal = np.diag(member.sum(axis=0)) - member.T @ (member / counts[:, None])
    right = np.bincount(block, weights=inside, minlength=blocks)
    effect = np.linalg.lstsq(normal, right, rcond=None)[0]
    return np.asarray((effect - effect.mean())[block])


def _block_errors(
    within: Floats, shift: Floats, cell: Codes, block: Codes, shape: tuple[int, ...], groups: tuple[str, ...],
    df: dict[Subset, int], residual_df: int,
) -> dict[Subset, ErrorTerm]:  # fmt: skip
    """Sums of squares of the block and of every subset x block.

    A run that is missing from the crossing has residual 0; all degrees of freedom are then fewer by the same part.
    """
    cells, blocks = int(np.prod(shape)), int(block.max()) + 1
    table = np.zeros((cells, blocks))
    table[cell, block] = within
    present = residual_df / max((cells - 1) * (blocks - 1), 1)
    found = {}
    for subset, effect in subset_effects(table.reshape(*shape, blocks), groups).items():
        found[subset] = ErrorTerm(float((effect**2).sum()), df[subset] * (blocks - 1) * present)
    shifts = np.bincount(block, weights=shift, minlength=blocks) / np.bincount(block, minlength=blocks)
    sizes = np.bincount(block, minlength=blocks)
    square = float(blocks / (1.0 / sizes).sum() * ((shifts - shifts.mean()) ** 2).sum())
    found[BLOCK] = ErrorTerm(square, float(blocks - 1))
    return found


def subset_effects(table: Floats, groups: tuple[str, ...]) -> dict[Subset, Floats]:
    """Return the effect of every subset of groups: the first axes of `table` are the groups', all are kept."""
    found = {}
    averages = {frozenset[str](): table}
    for axis, group in enumerate(groups):
        for subset, part in list(averages.items()):
            mean = part.mean(axis=axis, keepdims=True)
            averages[subset | {group}] = part - mean
            averages[subset] = mean
    for subset in all_subsets(groups):
        found[subset] = np.broadcast_to(averages[subset], table.shape)
    return found


def subset_effect(table: Floats, groups: tuple[str, ...], subset: Subset) -> Floats:
    """Return the effect of one subset of groups; see `subset_effects`."""
    part = table
    for axis, group in enumerate(groups):
        mean = part.mean(axis=axis, keepdims=True)
        part = part - mean if group in subset else mean
    return np.broadcast_to(part, table.shape)


def draw_factorial(fit: FactorialFit, draws: int, generator: np.random.Generator, *, fast: bool = False) -> Drawn:
    """Return draws of the components and of the errors from their confidence distribution.

    The streams of random numbers are dealt to the subsets in the order of their sums of squares, so that names
    and their order change nothing.
    """
    order = sorted(fit.mean_squares, key=lambda s: (len(s), fit.df[s], fit.mean_squares[s]))
    uniforms = generator.uniform(size=(len(order) + 2, draws))
    if fit.errors:
        scale, error = draw_errors(fit.errors, fit.residual, fit.part, draws, generator)
        error[frozenset(fit.groups)] = scale
        noise = (error[BLOCK] + sum(fit.df[s] * error[s] for s in order)) / fit.cells
        if fit.pure is not None:
            noise += draw_variance(fit.pure.square, fit.pure.df, uniforms[1]) * (1.0 - 1.0 / fit.repeats)
    else:
        scale = draw_variance(fit.residual.square, fit.residual.df, uniforms[0])
        error = dict.fromkeys(order, scale)
        noise = scale
    parts, along, used = {}, {}, {}
    effects = subset_effects(fit.means, fit.groups)
    for stream, subset in zip(uniforms[2:], order, strict=True):
        used[subset] = _tied(stream, noise, -_skew(fit, effects[subset]))
        # Along its own direction an effect may be noisier, or quieter, than the cells are on average.
        along[subset] = _along(fit, effects[subset]) * scale + (error[subset] - scale)
        df = fit.df[subset] * error[subset] / along[subset]
        centrality = draw_noncentrality(
            fit.mean_squares[subset] * fit.size / along[subset], df, used[subset], fast=fast
        )
        parts[subset] = centrality * along[subset] / fit.size
    crossed = [subset for subset in order if len(subset) > 1]
    if len(crossed) > 1:
        squares = {s: fit.mean_squares[s] for s in crossed}
        variances = {s: (fit.df[s] * error[s] / fit.size, along[s] / fit.size) for s in crossed}
        parts |= with_their_total({s: parts[s] for s in crossed}, squares, variances, used, fast=fast)
    return Drawn(Components(parts, np.asarray(noise)), error)


def _along(fit: FactorialFit, effect: Floats) -> float:
    """The noise along one effect's direction over the mean noise: ``e' D e / e' e`` over the mean of D."""
    weights = effect.ravel() ** 2
    noise = (fit.ratio / fit.counts).ravel()
    return float((weights * noise).sum() / max(weights.sum(), 1e-300) / noise.mean()) if weights.any() else 1.0


def _skew(fit: FactorialFit, effect: Floats) -> float:
    """Return the correlation of the errors of an effect and of the noise: 0 under symmetric noise.

    Where most runs of a level collapse, those that do not raise its mean and its variance together. The covariance
    of a sample's mean and variance is its third central moment over its size. From a few runs a cell it is little
    known, and small correlations are taken as none.
    """
    length = float(np.sqrt((effect**2).sum()))
    if length == 0 or fit.mse == 0 or not fit.third.any():
        return 0.0
    weights = effect.ravel() / length
    covariance = float((weights * (fit.third / fit.counts).ravel()).sum() / fit.cells)
    noise = fit.mse * (fit.ratio / fit.counts).ravel()
    found = covariance / np.sqrt((weights**2 * noise).sum() * 2.0 * fit.mse**2 / fit.noise_df)
    return float(np.clip(found, -0.95, 0.95)) * float(found**2 / (found**2 + UNSURE**2))


def _tied(stream: Floats, noise: Floats, correlation: float) -> Floats:
    """Return uniform numbers with this rank correlation (of normal scores) to the draws of the noise."""
    if correlation == 0.0:
        return stream
    ranks = (np.argsort(np.argsort(noise, kind="stable"), kind="stable") + 0.5) / len(noise)
    scores = correlation * special.ndtri(ranks) + np.sqrt(1 - correlation**2) * special.ndtri(stream)
    return np.asarray(special.ndtr(scores))


def draw_components(fit: FactorialFit, draws: int, generator: np.random.Generator, *, fast: bool = False) -> Components:
    """Return draws of the components alone; see `draw_factorial`."""
    return draw_factorial(fit, draws, generator, fast=fast).components
