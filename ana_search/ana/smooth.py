"""The expectation of a stair under noise, and its derivative: closed forms, element by element."""

from collections.abc import Callable

from torch import Tensor

from ana_search.ana.noise.base import Ladder, Scalar
from ana_search.ana.resolved import ResolvedNoise
from ana_search.ana.stairs import StairFunction

__all__ = ["expectation", "expectation_backward", "expectation_with_slope"]


def expectation(x: Tensor, stair: StairFunction, noise: ResolvedNoise, out: Tensor | None = None) -> Tensor:
    """Return ``E[stair(x - noise)] = q_0 + sum_k (q_k - q_{k-1}) F((x - mean - t_k) / scale)``.

    ``F`` is the distribution function of the noise's family. The source is Spallanzani, Leonardi and Benini
    (CVPR 2022), section 2. ``out`` is memory that it may be written to.
    """
    family = noise.family
    if stair.spacing is None:
        return _weighted(family.cdf_, noise.inverse, x, stair, noise.mean).add_(stair.scaled_levels[0])
    unit, ladder = _ladder(stair, noise)
    return family.climb(x if unit == 1.0 else x * unit, ladder, out)


def expectation_backward(
    gradient: Tensor, x: Tensor, stair: StairFunction, noise: ResolvedNoise, out: Tensor | None = None
) -> Tensor:
    """Return ``gradient`` times the derivative of `expectation` by ``x``, a sum of densities over the scale."""
    family = noise.family
    if stair.spacing is None:
        density = _weighted(family.bell_, family.bell_unit * noise.inverse, x, stair, noise.mean)
        return density.mul_(gradient).mul_(family.peak * noise.steepness)
    unit, ladder = _ladder(stair, noise)
    return family.climb_backward(gradient, x if unit == 1.0 else x * unit, ladder, out)


def expectation_with_slope(
    x: Tensor, stair: StairFunction, noise: ResolvedNoise, slope: Tensor, out: Tensor | None = None
) -> Tensor:
    """Return `expectation` and write its derivative by ``x`` into ``slope``, for a uniform stair."""
    unit, ladder = _ladder(stair, noise)
    return noise.family.climb_with_slope(x if unit == 1.0 else x * unit, ladder, slope, out)


def _ladder(stair: StairFunction, noise: ResolvedNoise) -> tuple[float, Ladder]:
    """Return the inverse of the distance between thresholds, and the ladder that they are in its units."""
    assert stair.spacing is not None
    distance = stair.spacing[0] * stair.quantum
    unit = 1.0 / distance
    first = stair.thresholds[0] / stair.spacing[0]
    origin = float(round(first))
    ladder = Ladder(
        origin=origin,
        shift=noise.mean * unit + (first - origin),
        rungs=len(stair.thresholds),
        scale=noise.scale * unit,
        inverse=noise.inverse if unit == 1.0 else noise.inverse * distance,
        most=None if noise.most is None else noise.most * unit,
        gain=stair.spacing[1] * stair.quantum,
        steepness=stair.spacing[1] * stair.quantum * noise.steepness,
        offset=stair.scaled_levels[0],
    )
    return unit, ladder


def _weighted(
    function: Callable[[Tensor], Tensor], unit: Scalar, x: Tensor, stair: StairFunction, mean: Scalar
) -> Tensor:
    """Return the sum of ``function(unit * (x - mean - t_k))``, weighted with the jumps."""
    levels = stair.scaled_levels
    total: Tensor | None = None
    for k, threshold in enumerate(stair.scaled_thresholds):
        term = function((x - (mean + threshold)).mul_(unit)).mul_(levels[k + 1] - levels[k])
        total = term if total is None else total.add_(term)
    assert total is not None
    return total
