"""Variance components of a random or quasi-random sample: a Gibbs-sampled Bayesian analysis of variance.

    y = mean + sum_j b_j f_j(x) + noise,    b_j ~ N(0, (common_family * own_block)^2)
    common ~ half-Cauchy(0, 0.05 / sqrt(m)),    own ~ half-Cauchy(0, 1)

with the orthonormal functions of `analysis.contrasts`, the outcome scaled to variance 1, Jeffreys' prior for the noise,
and one family per group, per group's pairs and per pair of groups, of ``m`` blocks each. The family's common scale lets
everything of a group that does nothing vanish together (a horseshoe over blocks: Carvalho, Polson and Scott, Biometrika
97, 2010); half-Cauchy scales are sampled by their inverse-gamma mixture (Makalic and Schmidt, IEEE Signal Processing
Letters 23, 2016).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg

from analysis.contrasts import Block, basis_blocks
from analysis.sample import Sample
from analysis.shares import Components, Subset

__all__ = ["SpaceFillingFit", "fit_space_filling"]

Floats = npt.NDArray[np.float64]

PRIOR_SCALE = 0.05
BURN_IN = 200
FEWEST_DRAWS = 400
MOST_OPERATIONS = 3e11
"""Half a minute or less of one core. With hundreds of functions fewer draws are made, down to `FEWEST_DRAWS`."""
SMALLEST_NOISE = 1e-6
"""Of the outcome's variance: with fewer runs than functions a perfect fit is in reach, and ill-conditioned."""
WIDENING = 1.15
"""The logarithms of the components are spread by this much about their means: with 128 to 400 random trials the plain
posterior's 95 % intervals cover 91 to 94 % and with it 94 to 98 % (``docs/results/calibration``)."""


@dataclass(frozen=True)
class SpaceFillingFit:
    """Posterior draws of the components, in the outcome's squared unit; ``df`` the functions of each subset."""

    draws: Components
    df: dict[Subset, int]
    residual_df: int


def _ordered(sample: Sample, outcome: Floats) -> list[Block]:
    """The basis in an order that depends on the data alone, not on names: the random numbers follow the order."""

    def strength(index: int) -> tuple[float, ...]:
        columns = basis_blocks([sample.factors[index]])[0].columns
        return (columns.shape[1], float(np.round(((columns.T @ outcome) ** 2).sum(), 9)))

    order = sorted(range(len(sample.factors)), key=strength)
    return basis_blocks([sample.factors[index] for index in order])


def fit_space_filling(sample: Sample, draws: int, generator: np.random.Generator) -> SpaceFillingFit:
    """Return posterior draws of every subset's component and of the noise: `draws` or, of many functions, fewer."""
    values = sample.outcome
    unit = float(values.std())
    outcome = (values - values.mean()) / unit
    blocks = _ordered(sample, outcome)
    matrix = np.concatenate([block.columns for block in blocks], axis=1)
    rows = np.lexsort((*matrix.T, outcome))  # with few runs each draws a random number: their order must not matter
    matrix, outcome = matrix[rows] - matrix.mean(axis=0), outcome[rows]
    sizes = np.array([block.columns.shape[1] for block in blocks])
    families = [(block.groups, len(block.factors)) for block in blocks]
    names = sorted(set(families), key=families.index)
    family = np.array([names.index(one) for one in families])
    draws = affordable(draws, *matrix.shape)
    squares, noise = _gibbs(matrix, outcome, sizes, family, draws, generator)
    parts: dict[Subset, Floats] = {}
    df: dict[Subset, int] = {}
    for index, block in enumerate(blocks):
        parts[block.groups] = parts.get(block.groups, np.zeros(draws)) + squares[:, index] * unit**2
        df[block.groups] = df.get(block.groups, 0) + block.columns.shape[1]
    parts = {subset: _widened(part) for subset, part in parts.items()}
    explained = round(float(np.mean(1.0 - noise)) * min(matrix.shape))
    residual = max(1, len(outcome) - 1 - max(explained, 0))
    return SpaceFillingFit(Components(parts, _widened(noise * unit**2)), df, residual)


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


def _gibbs(
    matrix: Floats,
    outcome: Floats,
    sizes: npt.NDArray[np.int64],
    family: npt.NDArray[np.int64],
    draws: int,
    generator: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return draws of each block's sum of squared coefficients (draws x blocks) and of the noise variance.

    `sizes` are the blocks' numbers of columns of `matrix`, in order, and `family` the number of each block's family.
    """
    runs, functions = matrix.shape
    blocks, families = len(sizes), int(family.max()) + 1
    owner = np.repeat(np.arange(blocks), sizes)
    family_sizes = np.bincount(family, weights=sizes)
    scale = PRIOR_SCALE / np.sqrt(np.bincount(family))
    gram, right = matrix.T @ matrix, matrix.T @ outcome
    noise, own, common = 0.5, np.ones(blocks), np.full(families, 0.02)
    own_mixing, common_mixing = np.ones(blocks), np.ones(families)
    kept, kept_noise = np.empty((draws, blocks)), np.empty(draws)
    for step in range(BURN_IN + draws):
        prior = np.maximum((own * common[family])[owner], 1e-12)
        if functions > runs:
            coefficients = _draw_wide(matrix, outcome, prior, noise, generator)
        else:
            coefficients = _draw_tall(gram, right, prior, noise, generator)
        residual = outcome - matrix @ coefficients
        noise = max(float(residual @ residual) / generator.chisquare(runs - 1), SMALLEST_NOISE)
        squares = np.bincount(owner, weights=coefficients**2, minlength=blocks)
        rate = squares / (2 * common[family]) + 1 / own_mixing
        own = np.clip(rate / generator.standard_gamma((sizes + 1) / 2), 1e-8, 1e8)
        own_mixing = (1 / own + 1) / generator.standard_exponential(blocks)
        rate = np.bincount(family, weights=squares / own, minlength=families) / 2 + 1 / common_mixing
        common = np.clip(rate / generator.standard_gamma((family_sizes + 1) / 2), 1e-12, 1e4)
        common_mixing = (1 / common + 1 / scale**2) / generator.standard_exponential(families)
        if step >= BURN_IN:
            kept[step - BURN_IN], kept_noise[step - BURN_IN] = squares, noise
    return kept, kept_noise


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
    system = (matrix * prior) @ matrix.T / noise
    system[np.diag_indices_from(system)] += 1.0
    right = outcome / root - matrix @ start / root - error
    weights = linalg.cho_solve(linalg.cho_factor(system, overwrite_a=True, check_finite=False), right)
    return np.asarray(start + prior * (matrix.T @ weights) / root)
