"""Power: would this design decide, and which design would?

Simulates the design from the fitted components: sums of squares from their non-central chi-squared distributions,
then the verdict of each simulated sample.
"""

from typing import Any

import numpy as np

from analysis.estimate import Estimate
from analysis.factorial import FactorialFit, draw_components
from analysis.factors import SHAPE, SYNCHRONISATION
from analysis.layout import Layout
from analysis.sample import Sample
from analysis.verdict import INCONCLUSIVE, decide, region_probability

__all__ = ["decision_probability", "plan_power"]

SIMULATIONS = 120
DRAWS = 400
MOST_REPLICATES = 20
WANTED = 0.80
DEFAULT_REPLICATES = 3


def decision_probability(
    fit: FactorialFit, replicates: int, *, seed: int = 0, level: float = 0.95, simulations: int = SIMULATIONS
) -> float:
    """Return the chance that the factorial behind `fit` is decided with `replicates` runs in each cell."""
    import dataclasses

    generator = np.random.default_rng([seed, replicates])
    point = fit.estimate().clipped()
    size = float(fit.cells * replicates)
    block_df = replicates - 1 if fit.block_df else 0
    residual = int(size) - fit.cells - block_df
    if residual < 1 or not {SYNCHRONISATION, SHAPE} <= set(fit.groups):
        return 0.0
    decided = 0
    for _ in range(simulations):
        mse = fit.mse * generator.chisquare(residual) / residual
        squares = {
            s: generator.noncentral_chisquare(fit.df[s], float(point.parts[s]) * size / fit.mse) * fit.mse / size
            for s in fit.df
        }
        simulated = dataclasses.replace(
            fit, mean_squares=squares, mse=mse, size=size, residual_df=residual,
            noise_df=float(residual), block_df=0,
        )  # fmt: skip
        drawn = draw_components(simulated, DRAWS, generator, fast=True)
        chances = region_probability(drawn.share(SYNCHRONISATION), drawn.share(SHAPE))
        decided += decide(chances, level) != INCONCLUSIVE
    return decided / simulations


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


def plan_power(
    sample: Sample, layout: Layout | None, method: str, found: Estimate | None,
    *, seed: int, level: float, simulate: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Return the chance of a decision, the replicates for 80 %, and the design to run next."""
    here: float | None = None
    needed: int | None = None
    if found is not None and found.fit is not None and simulate and layout is not None:
        have = max(2, round(float(layout.counts.mean())))
        here = decision_probability(found.fit, have, seed=seed, level=level)
        needed = _replicates_needed(found.fit, seed, level)
    return {"probability_decided_with_this_design": here, "replicates_for_80_percent": needed}
