"""The expectation of a stair under noise, and its derivative: closed forms, element by element."""

from collections.abc import Callable

from torch import Tensor

from ana_search.ana.noise import NoiseFamily
from ana_search.ana.noise.base import Ladder, Scalar
from ana_search.ana.stairs import StairFunction

__all__ = ["expectation", "expectation_backward", "expectation_with_slope", "ladder_of"]


def expectation(
    x: Tensor, stair: StairFunction, family: NoiseFamily, mean: Scalar, scale: Scalar, most: float | None
) -> Tensor:
    """Return ``E[stair(x - noise)] = q_0 + sum_k (q_k - q_{k-1}) F((x - mean - t_k) / scale)``.

    The source is Spallanzani, Leonardi and Benini (CVPR 2022), section 2.

    Args:
        x: argument, any shape.
        stair: the stair.
        family: the noise family; ``F`` is its distribution function.
        mean: mean of the noise, in units of ``x``.
        scale: native scale of the family, positive, in units of ``x``.
        most: an upper bound on ``scale`` (``None``: not known), which limits the thresholds to look at.
    """
    if stair.step is None:
        return _weighted(family.cdf_, 1.0 / scale, x, stair, mean).add_(stair.scaled_levels[0])
    unit, ladder = ladder_of(stair, mean, scale, most)
    return family.climb(x if unit == 1.0 else x * unit, ladder)


def expectation_backward(
    gradient: Tensor,
    x: Tensor,
    stair: StairFunction,
    family: NoiseFamily,
    mean: Scalar,
    scale: Scalar,
    most: float | None,
) -> Tensor:
    """Return ``gradient`` times the derivative of `expectation` by ``x``, a sum of densities over ``scale``."""
    if stair.step is None:
        density = _weighted(family.bell_, family.bell_unit / scale, x, stair, mean)
        return density.mul_(gradient).mul_(family.peak / scale)
    unit, ladder = ladder_of(stair, mean, scale, most)
    if unit == 1.0:
        return family.climb_backward(gradient, x, ladder)
    return family.climb_backward(gradient, x * unit, ladder._replace(gain=ladder.gain * unit))


def expectation_with_slope(
    x: Tensor,
    stair: StairFunction,
    family: NoiseFamily,
    mean: Scalar,
    scale: Scalar,
    most: float | None,
    slope: Tensor,
) -> Tensor:
    """Return `expectation` and write its derivative by ``x`` into ``slope``, for a uniform stair."""
    unit, ladder = ladder_of(stair, mean, scale, most)
    value = family.climb_with_slope(x if unit == 1.0 else x * unit, ladder, slope)
    if unit != 1.0:
        slope.mul_(unit)
    return value


def ladder_of(stair: StairFunction, mean: Scalar, scale: Scalar, most: float | None) -> tuple[float, Ladder]:
    """Return the inverse of the distance between thresholds, and the ladder that they are in its units."""
    assert stair.step is not None
    unit = 1.0 / (stair.step[0] * stair.quantum)
    first = stair.thresholds[0] / stair.step[0]
    origin = float(round(first))
    bound = None if most is None else most * unit
    rungs, gain = len(stair.thresholds), stair.step[1] * stair.quantum
    shift = mean * unit + (first - origin)
    return unit, Ladder(origin, shift, rungs, scale * unit, bound, gain, stair.scaled_levels[0])


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
