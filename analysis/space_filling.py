"""Variance components of a random or quasi-random sample: a Gibbs-sampled Bayesian analysis of variance.

    y = mean + sum_j b_j f_j(x) + noise,    b_j ~ N(0, (common_family * own_block)^2)
    common ~ half-Cauchy(0, 0.01 / sqrt(m)),    own ~ half-Cauchy(0, 1)

with the orthonormal functions of `analysis.contrasts`, the outcome scaled to variance 1, Jeffreys' prior for the noise,
and one family per group, per group's pairs and per pair of groups, of ``m`` functions each: however many functions
there are, they are expected to explain equally little before the outcomes are seen. The family's common scale lets
everything of a group that does nothing vanish together (a horseshoe over blocks: Carvalho, Polson and Scott, Biometrika
97, 2010); half-Cauchy scales are sampled by their inverse-gamma mixture (Makalic and Schmidt, IEEE Signal Processing
Letters 23, 2016).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg

from analysis.contrasts import Block, basis_blocks
from analysis.factors import Factor
from analysis.sample import Sample
from analysis.shares import Components, Subset

__all__ = ["SpaceFillingFit", "Surface", "fit_space_filling", "fit_surface"]

Floats = npt.NDArray[np.float64]

PRIOR_SCALE = 0.01
MOST_KEPT = 400
"""Draws of the coefficients that are kept: enough for quantiles of the surface, and little to keep."""
BURN_IN = 200
QUICK_DRAWS, QUICK_BURN_IN = 150, 100
FEWEST_DRAWS = 400
MOST_OPERATIONS = 3e11
"""Half a minute or less of one core. With hundreds of functions fewer draws are made, down to `FEWEST_DRAWS`."""
SMALLEST_NOISE = 1e-6
"""Of the outcome's variance: with fewer runs than functions a perfect fit is in reach, and ill-conditioned."""
WIDENING = 1.15
"""The logarithms of the components are spread by this much about their means: with 128 to 400 random trials the plain
posterior's 95 % intervals cover 91 to 94 % and with it 94 to 98 % (``docs/results/calibration``)."""


@dataclass(frozen=True)
class Surface:
    """The fitted outcome as a function of the factors, and what is not known of it.

    ``coefficients`` holds posterior draws (draws x functions) in the outcome's unit, ``centre`` the mean of each
    function over the used rows, ``mean`` that of the outcome, ``blocks`` the basis at the used rows.
    """

    factors: tuple[Factor, ...]
    blocks: tuple[Block, ...]
    centre: Floats
    mean: float
    coefficients: Floats

    def draws_at(self, factors: Sequence[Factor]) -> Floats:
        """Return draws of the noiseless outcome (draws x rows) at other rows of the same factors, in any order.

        A row's codes and positions are those of `Factor`; ``nest.exists`` says where a conditional one exists.
        """
        given = {factor.name: factor for factor in factors}
        columns = np.concatenate([b.columns for b in basis_blocks([given[f.name] for f in self.factors])], axis=1)
        return np.asarray(self.mean + self.coefficients @ (columns - self.centre).T)

    def draws_of(self, name: str, factors: Sequence[Factor]) -> Floats:
        """Return draws (draws x rows) of the part of `draws_at` that is of the blocks with one factor."""
        given = {factor.name: factor for factor in factors}
        ends = np.cumsum([block.columns.shape[1] for block in self.blocks])
        mine = np.concatenate(
            [
                np.arange(end - block.columns.shape[1], end)
                for block, end in zip(self.blocks, ends, strict=True)
                if name in block.factors
            ]
        )
        blocks = basis_blocks([given[f.name] for f in self.factors], having=name)
        columns = np.concatenate([block.columns for block in blocks], axis=1)
        return np.asarray(self.coefficients[:, mine] @ (columns - self.centre[mine]).T)

    def fitted(self) -> Floats:
        """Return the posterior mean of the noiseless outcome at the used rows."""
        columns = np.concatenate([block.columns for block in self.blocks], axis=1)
        return np.asarray(self.mean + (columns - self.centre) @ self.coefficients.mean(axis=0))


@dataclass(frozen=True)
class SpaceFillingFit:
    """Posterior draws of the components, in the outcome's squared unit; ``df`` the functions of each subset.

    ``used_df`` is the number of functions that the outcomes are fitted with, shrunken ones counted in part: the trace
    of the matrix that maps outcomes to fitted ones.
    """

    draws: Components
    df: dict[Subset, int]
    residual_df: int
    used_df: float
    surface: Surface


def _ordered(factors: Sequence[Factor], outcome: Floats) -> tuple[Factor, ...]:
    """The factors in an order that depends on the data alone, not on names: the random numbers follow the order."""

    def strength(index: int) -> tuple[float, ...]:
        columns = basis_blocks([factors[index]])[0].columns
        return (columns.shape[1], float(np.round(((columns.T @ outcome) ** 2).sum(), 9)))

    return tuple(factors[index] for index in sorted(range(len(factors)), key=strength))


def fit_space_filling(sample: Sample, draws: int, generator: np.random.Generator) -> SpaceFillingFit:
    """Return posterior draws of every subset's component and of the noise: `draws` or, of many functions, fewer."""
    values = sample.outcome
    unit, mean = float(values.std()), float(values.mean())
    outcome = (values - mean) / unit
    factors = _ordered(sample.factors, outcome)
    blocks = basis_blocks(factors)
    columns = np.concatenate([block.columns for block in blocks], axis=1)
    rows = np.lexsort((*columns.T, outcome))  # with few runs each draws a random number: their order must not matter
    centre = columns.mean(axis=0)
    draws = affordable(draws, *columns.shape)
    drawn = _gibbs(columns[rows] - centre, outcome[rows], blocks, draws, BURN_IN, generator)
    parts: dict[Subset, Floats] = {}
    df: dict[Subset, int] = {}
    for index, block in enumerate(blocks):
        parts[block.groups] = parts.get(block.groups, np.zeros(draws)) + drawn.squares[:, index] * unit**2
        df[block.groups] = df.get(block.groups, 0) + block.columns.shape[1]
    parts = {subset: _widened(part) for subset, part in parts.items()}
    explained = round(float(np.mean(1.0 - drawn.noise)) * min(columns.shape))
    residual = max(1, len(outcome) - 1 - max(explained, 0))
    surface = Surface(factors, tuple(blocks), centre, mean, drawn.coefficients * unit)
    components = Components(parts, _widened(drawn.noise * unit**2))
    return SpaceFillingFit(components, df, residual, drawn.used_df, surface)


def fit_surface(
    factors: Sequence[Factor], inside: npt.NDArray[np.bool_], outcome: Floats, generator: np.random.Generator
) -> Surface | None:
    """Return the surface of the rows `inside`, which knows the other rows' factors but not their outcomes.

    A quick fit, for its mean alone. None where the outcomes inside do not differ.
    """
    unit, mean = float(outcome[inside].std()), float(outcome[inside].mean())
    if not unit > 0:
        return None
    known = np.where(inside, (outcome - mean) / unit, 0.0)
    ordered = _ordered(factors, known)
    blocks = basis_blocks(ordered)
    columns = np.concatenate([block.columns[inside] for block in blocks], axis=1)
    rows = np.lexsort((*columns.T, known[inside]))
    centre = columns.mean(axis=0)
    drawn = _gibbs(columns[rows] - centre, known[inside][rows], blocks, QUICK_DRAWS, QUICK_BURN_IN, generator)
    return Surface(ordered, tuple(blocks), centre, mean, drawn.coefficients * unit)


def affordable(draws: int, runs: int, functions: int) -> int:
    """Return how many of `draws` can be made with `MOST_OPERATIONS`, each by the Cholesky factor of a matrix."""
    tall, wide = functions**3 / 3 + 2.0 * runs * functions, runs**2 * (functions + runs / 3)
    operations = wide if functions > runs else tall
    return min(draws, max(FEWEST_DRAWS, int(MOST_OPERATIONS / operations) - BURN_IN))


def _widened(part: Floats) -> Floats:
    logarithm = np.log(np.maximum(part, 1e-300))
    centre = logarithm.mean()
    wide = np.exp(centre + WIDENING * (logarithm - centre))
    return np.asarray(wide * (part.mean() / wide.mean()))


@dataclass(frozen=True)
class _Drawn:
    """What the sampler draws: sums of squares by block, the noise's variance, some of the coefficients."""

    squares: Floats
    noise: Floats
    coefficients: Floats
    used_df: float


def _gibbs(
    matrix: Floats,
    outcome: Floats,
    basis: Sequence[Block],
    draws: int,
    burn_in: int,
    generator: np.random.Generator,
) -> _Drawn:
    """Return draws of each block's sum of squared coefficients (draws x blocks) and of the noise variance.

    The columns of `matrix` are those of the blocks of `basis`, in order.
    """
    sizes = np.array([block.columns.shape[1] for block in basis])
    kinds = [(block.groups, len(block.factors)) for block in basis]
    names = sorted(set(kinds), key=kinds.index)
    family = np.array([names.index(one) for one in kinds])
    runs, functions = matrix.shape
    blocks, families = len(sizes), len(names)
    owner = np.repeat(np.arange(blocks), sizes)
    family_sizes = np.bincount(family, weights=sizes)
    scale = PRIOR_SCALE / np.sqrt(family_sizes)
    gram, right, square = matrix.T @ matrix, matrix.T @ outcome, float(outcome @ outcome)
    noise, own, common = 0.5, np.ones(blocks), np.full(families, 0.02)
    own_mixing, common_mixing = np.ones(blocks), np.ones(families)
    kept, kept_noise = np.empty((draws, blocks)), np.empty(draws)
    every = -(-draws // MOST_KEPT)
    coefficients_kept, precision_kept = [], np.zeros(functions)
    for step in range(burn_in + draws):
        prior = np.maximum((own * common[family])[owner], 1e-12)
        if functions > runs:
            coefficients = _draw_wide(matrix, outcome, prior, noise, generator)
        else:
            coefficients = _draw_tall(gram, right, prior, noise, generator)
        residual = square - 2 * float(right @ coefficients) + float(coefficients @ gram @ coefficients)
        noise = max(residual / generator.chisquare(runs - 1), SMALLEST_NOISE)
        squares = np.bincount(owner, weights=coefficients**2, minlength=blocks)
        rate = squares / (2 * common[family]) + 1 / own_mixing
        own = np.clip(rate / generator.standard_gamma((sizes + 1) / 2), 1e-8, 1e8)
        own_mixing = (1 / own + 1) / generator.standard_exponential(blocks)
        rate = np.bincount(family, weights=squares / own, minlength=families) / 2 + 1 / common_mixing
        common = np.clip(rate / generator.standard_gamma((family_sizes + 1) / 2), 1e-12, 1e4)
        common_mixing = (1 / common + 1 / scale**2) / generator.standard_exponential(families)
        if step >= burn_in:
            kept[step - burn_in], kept_noise[step - burn_in] = squares, noise
            if (step - burn_in) % every == 0:
                coefficients_kept.append(coefficients)
                precision_kept += noise / prior
    stacked = np.stack(coefficients_kept)
    used = _used_df(gram, precision_kept / len(coefficients_kept))
    return _Drawn(kept, kept_noise, stacked, used)


def _used_df(gram: Floats, penalty: Floats) -> float:
    """Return the trace of ``gram (gram + diag(penalty))^-1``: how many functions the fit amounts to."""
    system = gram.copy()
    system[np.diag_indices_from(system)] += penalty
    return float(np.trace(linalg.cho_solve(linalg.cho_factor(system, check_finite=False), gram, check_finite=False)))


def _draw_tall(gram: Floats, right: Floats, prior: Floats, noise: float, generator: np.random.Generator) -> Floats:
    """Draw the coefficients by the Cholesky factor of their precision."""
    precision = gram / noise
    precision[np.diag_indices_from(precision)] += 1.0 / prior
    factor = linalg.cholesky(precision, lower=True, overwrite_a=True, check_finite=False)
    half = linalg.solve_triangular(factor, right / noise, lower=True, check_finite=False)
    half += generator.standard_normal(len(half))
    return np.asarray(linalg.solve_triangular(factor, half, lower=True, trans="T", check_finite=False))


def _draw_wide(matrix: Floats, outcome: Floats, prior: Floats, noise: float, generator: np.random.Generator) -> Floats:
    """Draw more coefficients than runs (Bhattacharya, Chakraborty and Mallick, Biometrika 103, 2016)."""
    start = np.sqrt(prior) * generator.standard_normal(len(prior))
    error = generator.standard_normal(len(outcome))
    root = np.sqrt(noise)
    # Only the upper triangle of the symmetric product is computed, which is all that the factor reads.
    system = linalg.blas.dsyrk(1.0 / noise, matrix * np.sqrt(prior))
    system[np.diag_indices_from(system)] += 1.0
    right = outcome / root - matrix @ start / root - error
    weights = linalg.cho_solve(linalg.cho_factor(system, overwrite_a=True, check_finite=False), right)
    return np.asarray(start + prior * (matrix.T @ weights) / root)
