"""Power: would this design decide, and how much of it would?

A factorial is simulated from its fitted components: sums of squares from their non-central chi-squared distributions,
then the verdict of each simulated sample. For a random sample the posterior draws are drawn together as the square
root of the number of trials grows.
"""

import numpy as np
import numpy.typing as npt

from ana_search.verdict_file import DecisionChance
from analysis.estimate import Estimate
from analysis.factorial import FactorialFit
from analysis.factors import SHAPE, SYNCHRONISATION
from analysis.noncentral import draw_noncentrality, draw_variance
from analysis.shares import Components
from analysis.verdict import REGIONS, region_of

__all__ = ["decision_probability", "measure_power"]

SIMULATIONS = 100
DRAWS = 300
MOST_REPLICATES = 20
MOST_TRIALS = 3200
WANTED = 0.80

Floats = npt.NDArray[np.float64]


def decision_probability(fit: FactorialFit, replicates: int, *, seed: int = 0, level: float = 0.95) -> float:
    """Return the chance that the factorial behind `fit` is decided with `replicates` runs in each cell.

    100 samples are simulated, each with 300 draws from its confidence distribution.
    """
    size = fit.cells * replicates
    residual = size - fit.cells - (replicates - 1 if fit.block_df else 0)
    if residual < 1 or not {SYNCHRONISATION, SHAPE} <= set(fit.groups):
        return 0.0
    generator = np.random.default_rng([seed, replicates])
    point = fit.estimate().clipped()
    mse = fit.mse * generator.chisquare(residual, SIMULATIONS) / residual
    variance = draw_variance(1.0, residual, generator.uniform(size=(SIMULATIONS, DRAWS))) * (mse * residual)[:, None]
    parts = {}
    for subset, df in fit.df.items():
        centrality = float(point.parts[subset]) * size / fit.mse
        squares = generator.noncentral_chisquare(df, centrality, SIMULATIONS) * fit.mse
        uniforms = generator.uniform(size=(SIMULATIONS, DRAWS))
        parts[subset] = draw_noncentrality(squares[:, None] / variance, df, uniforms, fast=True) * variance / size
    extra = max(float(point.noise) - fit.mse, 0.0)
    return _decided(Components(parts, variance + extra), level)


def _decided(drawn: Components, level: float) -> float:
    """The part of the simulated samples (rows) that one region holds `level` of the draws (columns) of."""
    region = region_of(drawn.share(SYNCHRONISATION), drawn.share(SHAPE))
    inside = np.stack([(region == number).mean(axis=1) for number in range(len(REGIONS))])
    return float((inside.max(axis=0) >= level).mean())


def _replicates_needed(fit: FactorialFit, seed: int, level: float) -> int | None:
    """The fewest replicates that decide 80 % of the time, by bisection; None: more than 20."""

    def enough(replicates: int) -> bool:
        return decision_probability(fit, replicates, seed=seed, level=level) >= WANTED

    low, high = 1, 2
    while not enough(high):
        if high >= MOST_REPLICATES:
            return None
        low, high = high, min(2 * high, MOST_REPLICATES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _random_power(found: Estimate, growth: float, seed: int, level: float) -> float:
    """The chance of a decision with `growth` times the trials: draws contracted around a centre drawn anew."""
    generator = np.random.default_rng([seed, round(100 * growth)])
    draws = np.log(np.stack([found.draws.share(SYNCHRONISATION), found.draws.share(SHAPE)]) + 1e-4)
    centre = draws.mean(axis=1, keepdims=True)
    scatter = (draws - centre) / np.sqrt(growth)
    starts = generator.integers(scatter.shape[1], size=SIMULATIONS)
    decided = 0
    for start in starts:
        shares = np.exp(centre + scatter[:, [start]] + scatter[:, :DRAWS]) - 1e-4
        region = np.bincount(region_of(shares[0], shares[1]), minlength=len(REGIONS))
        decided += int(region.max() >= level * DRAWS)
    return decided / SIMULATIONS


def measure_power(found: Estimate | None, runs: int, replicates: int, *, seed: int, level: float) -> DecisionChance:
    """Return the chance of a decision with this design and what gives 80 %: replicates, or random trials.

    ``runs`` is the number of trials used and ``replicates`` the typical number in a cell. None: not known, or more than
    20 replicates, or more than 3,200 trials.
    """
    if found is None:
        return _chance(None)
    if found.fit is not None:
        chance = decision_probability(found.fit, max(2, replicates), seed=seed, level=level)
        needed = _replicates_needed(found.fit, seed, level)
        return _chance(chance, replicates=needed, trials=needed * found.fit.cells if needed else None)
    chance = _random_power(found, 1.0, seed, level)
    trials = runs
    while trials <= MOST_TRIALS:
        if _random_power(found, trials / runs, seed, level) >= WANTED:
            return _chance(chance, trials=trials)
        trials = int(1.4 * trials) + 1
    return _chance(chance)


def _chance(decided: float | None, *, replicates: int | None = None, trials: int | None = None) -> DecisionChance:
    return {
        "probability_decided_with_this_design": decided,
        "replicates_for_80_percent": replicates,
        "trials_for_80_percent": trials,
    }
