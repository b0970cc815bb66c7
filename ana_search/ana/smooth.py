"""The expectation of a stair under noise, and its derivative: closed forms, element by element."""

from collections.abc import Callable

from torch import Tensor

from ana_search.ana.noise import NoiseFamily
from ana_search.ana.noise.base import Scalar
from ana_search.ana.stairs import StairFunction

__all__ = ["expectation", "slope"]


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
    lowest = stair.scaled_levels[0]
    if stair.step is None:
        return _weighted(family.cdf, x, stair, mean, scale) + lowest
    jump = stair.step[1] * stair.quantum
    total = family.ladder_cdf(*_ladder(x, stair, mean, scale, most))
    return (total if jump == 1.0 else total * jump) + lowest


def slope(
    x: Tensor, stair: StairFunction, family: NoiseFamily, mean: Scalar, scale: Scalar, most: float | None
) -> Tensor:
    """Return the derivative of `expectation` by ``x``, the same sum of densities over ``scale``."""
    if stair.step is None:
        return _weighted(family.pdf, x, stair, mean, scale) / scale
    total = family.ladder_pdf(*_ladder(x, stair, mean, scale, most))
    width, jump = stair.step
    return total if jump == width else total * (jump / width)


def _ladder(
    x: Tensor, stair: StairFunction, mean: Scalar, scale: Scalar, most: float | None
) -> tuple[Tensor, Scalar, Scalar, int, float | None]:
    """Return argument, first rung, scale, number of rungs and bound, with the distance of rungs for the unit."""
    assert stair.step is not None
    unit = 1.0 / (stair.step[0] * stair.quantum)
    first = (mean + stair.scaled_thresholds[0]) * unit
    y = x if unit == 1.0 else x * unit
    return y, first, scale * unit, len(stair.thresholds), None if most is None else most * unit


def _weighted(
    function: Callable[[Tensor], Tensor], x: Tensor, stair: StairFunction, mean: Scalar, scale: Scalar
) -> Tensor:
    """Return the sum of ``function((x - mean - t_k) / scale)``, weighted with the jumps."""
    levels = stair.scaled_levels
    total = None
    for k, threshold in enumerate(stair.scaled_thresholds):
        term = function((x - (mean + threshold)) / scale) * (levels[k + 1] - levels[k])
        total = term if total is None else total + term
    assert total is not None
    return total
