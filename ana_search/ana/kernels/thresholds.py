"""The thresholds of a uniform stair under noise, and sums over those that noise can reach."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ana_search.ana.kernels.numbers import NoiseNumbers, Scalar

if TYPE_CHECKING:
    from ana_search.ana.stairs import StairFunction

_GROUP = 16
"""Terms are summed in groups: the rounding errors of one long sum of single precision would exceed a millionth."""


class NoisyThresholds(NamedTuple):
    """Equally spaced noisy thresholds at ``origin + shift + j``, in units of their distance.

    The origin is an integer, kept apart from the small rest: subtracting both from an argument of single precision
    would cost it digits.
    """

    origin: float
    shift: Scalar
    number: int
    scale: Scalar
    """Native scale of the noise."""
    inverse: Scalar
    """Its inverse."""
    most: float | None
    """Upper bound on the scale, if one is known."""
    jump: float
    """What passing a threshold adds."""
    steepness: Scalar
    """The jump over the scale in units of the argument: what a density of 1 adds to the derivative by it."""
    lowest: float
    """The level below all thresholds."""


def noisy_thresholds(stair: "StairFunction", noise: NoiseNumbers) -> tuple[float, NoisyThresholds]:
    """Return the inverse of the distance between the thresholds of a uniform stair, and these in its units."""
    assert stair.spacing is not None
    distance = stair.spacing[0] * stair.quantum
    unit = 1.0 / distance
    first = stair.thresholds[0] / stair.spacing[0]
    origin = float(round(first))
    jump = stair.spacing[1] * stair.quantum
    return unit, NoisyThresholds(
        origin=origin,
        shift=noise.mean * unit + (first - origin),
        number=len(stair.thresholds),
        scale=noise.scale * unit,
        inverse=noise.inverse if unit == 1.0 else noise.inverse * distance,
        most=None if noise.most is None else noise.most * unit,
        jump=jump,
        steepness=jump * noise.steepness,
        lowest=stair.scaled_levels[0],
    )


def reachable(thresholds: NoisyThresholds, reach: float) -> int:
    """Return how many thresholds noise can cross from one point, at most."""
    if thresholds.most is None:
        return thresholds.number
    return min(thresholds.number, max(1, math.ceil(2.0 * reach * thresholds.most)))


def sums(
    function: Callable[[Tensor], tuple[Tensor, ...]], unit: float, y: Tensor, thresholds: NoisyThresholds, reach: float
) -> tuple[Scalar, tuple[Tensor, ...]]:
    """Return the sums of what ``function(unit * (y - t) / scale)`` returns over the thresholds ``t`` in reach of ``y``.

    The first result is the integer part of the lowest threshold in reach, which depends on ``y`` unless all are.
    """
    count = reachable(thresholds, reach)
    lowest: Scalar = thresholds.origin
    if count < thresholds.number:
        first = (y - (thresholds.shift + 0.5 * count)).ceil_()
        lowest = first.clamp_(thresholds.origin, thresholds.origin + (thresholds.number - count))
    base, inverse = from_origin(y, lowest), unit * thresholds.inverse

    def term(j: int) -> tuple[Tensor, ...]:
        # Subtracting before scaling keeps the difference exact near a threshold, however small the scale.
        return function((base - (thresholds.shift + j if j else thresholds.shift)).mul_(inverse))

    def group(first: int) -> tuple[Tensor, ...]:
        totals = term(first)
        for j in range(first + 1, min(first + _GROUP, count)):
            _add(totals, term(j))
        return totals

    totals = group(0)
    for start in range(_GROUP, count, _GROUP):
        _add(totals, group(start))
    return lowest, totals


def _add(totals: tuple[Tensor, ...], terms: tuple[Tensor, ...]) -> None:
    for total, term in zip(totals, terms, strict=True):
        total.add_(term)


def from_origin(y: Tensor, origin: Scalar) -> Tensor:
    """Return ``y - origin``, and ``y`` itself for an origin of 0."""
    return y if not isinstance(origin, Tensor) and origin == 0.0 else y - origin


def level(total: Tensor, lowest: Scalar, thresholds: NoisyThresholds, out: Tensor | None = None) -> Tensor:
    """Return the expected level from the sum over the thresholds in reach, in ``out`` or in the sum's memory."""
    offset = thresholds.lowest
    if isinstance(lowest, Tensor):  # the thresholds below those in reach count 1 each
        total.add_(lowest)
        offset -= thresholds.jump * thresholds.origin
    return raised(total, thresholds.jump, offset, out)


def raised(total: Tensor, jump: float, offset: float, out: Tensor | None) -> Tensor:
    """Return ``offset + jump * total``, in ``out`` or in the memory of ``total``."""
    if out is None:
        if jump != 1.0:
            total.mul_(jump)
        return total.add_(offset) if offset else total
    if not offset:
        return total if jump == 1.0 else torch.mul(total, jump, out=out)
    return torch.add(total if jump == 1.0 else total.mul_(jump), offset, out=out)
