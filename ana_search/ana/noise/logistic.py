"""Logistic noise: the sigmoid."""

import math

import torch
from torch import Tensor

from ana_search.ana.elementwise import ahead, exp2
from ana_search.ana.noise.base import DifferenceFamily, Ladder, height, less

__all__ = ["Logistic"]


class Logistic(DifferenceFamily):
    """Standard logistic."""

    name = "logistic"
    interval = math.log(0.975 / 0.025)
    deviation = math.pi / math.sqrt(3.0)
    reach = 21.0
    costly = True

    def cdf_(self, z: Tensor) -> Tensor:
        """Return the sigmoid ``1 / (1 + exp(-z))``."""
        if torch.compiler.is_compiling() and z.dtype == torch.float32:
            return torch.reciprocal(1.0 + exp2(z * -_LOG2_E))
        return z.sigmoid_()

    def bell_(self, z: Tensor) -> Tensor:
        """Return ``F (1 - F)`` with ``F`` the sigmoid."""
        return self.cdf_and_density_(z)[1]

    def cdf_and_density_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sigmoid ``F`` and ``F (1 - F)``."""
        f = self.cdf_(z)
        return f, torch.addcmul(f, f, f, value=-1)

    def quantile_(self, v: Tensor) -> Tensor:
        """Return ``log((1 + v) / (1 - v))``."""
        return (1.0 + v).div_(torch.rsub(v, 1.0)).log_()

    def half_quantile(self, v: Tensor) -> Tensor:
        """Return ``-log(-log((1 + v) / 2))``, that of a standard Gumbel variable."""
        return -torch.log(-torch.log(0.5 + 0.5 * v))

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        if z < 0.0:
            e = math.exp(max(z, -745.0))
            return e / (1.0 + e)
        return 1.0 / (1.0 + math.exp(-z))

    def climb(self, y: Tensor, ladder: Ladder, out: Tensor | None = None) -> Tensor:
        """Return the sum of sigmoids; compiled code takes both of a ternary stair from one power."""
        if torch.compiler.is_compiling() and ladder.rungs == 2:
            distance, p, q = _odds(y, ladder)
            return _pair_height(distance, (1.0 - q) / (1.0 + p + q), ladder)
        return super().climb(y, ladder, out)

    def climb_with_slope(self, y: Tensor, ladder: Ladder, slope: Tensor, out: Tensor | None = None) -> Tensor:
        """Return `climb` and write its derivative into ``slope``, likewise, and from one division."""
        if torch.compiler.is_compiling() and ladder.rungs == 2:
            distance, p, q = _odds(y, ladder)
            share = 1.0 / (1.0 + p + q)
            slope.copy_((4.0 * q + p * (1.0 + q)) * (share * share) * ladder.steepness)
            return _pair_height(distance, (1.0 - q) * share, ladder)
        return super().climb_with_slope(y, ladder, slope, out)

    def climb_backward(self, gradient: Tensor, y: Tensor, ladder: Ladder, out: Tensor | None = None) -> Tensor:
        """Return ``gradient`` times the sum of densities, likewise."""
        if torch.compiler.is_compiling() and ladder.rungs == 2:
            _, p, q = _odds(y, ladder)
            # Where the power was cut off the square is infinite: no slope, as it must be.
            slope = (4.0 * q + p * (1.0 + q)) / (1.0 + p + q).square()
            return gradient * slope * ladder.steepness
        if ladder.rungs == 2 and not isinstance(ladder.scale, Tensor) and ladder.scale >= _LEAST_SCALE:
            return torch.mul(_pair_slope(y, ladder), gradient, out=out)
        return super().climb_backward(gradient, y, ladder, out)


def _pair_height(distance: Tensor, outward: Tensor, ladder: Ladder) -> Tensor:
    """Return the value of a ternary stair from how far it is from its middle level, in either direction."""
    centred = torch.where(distance >= 0.0, outward, -outward)
    return height(centred, ladder.origin, ladder._replace(offset=ladder.offset + ladder.gain))


def _pair_slope(y: Tensor, ladder: Ladder) -> Tensor:
    """Return the sum of two densities whose centres are 1 apart, from one power and one division.

    At a distance ``d`` from the middle, with ``E = exp(-|d| / scale)`` and ``C = 2 cosh(1 / (2 scale))``, multiplying
    the sigmoids out gives ``P (C - (C**2 - 4) P) / scale`` with ``P = E / (1 + C E + E**2)``.
    """
    assert not isinstance(ladder.scale, Tensor)
    steepness, c = float(ladder.steepness), 2.0 * math.cosh(0.5 / ladder.scale)
    distance = less(less(y, ladder.origin), ladder.shift + 0.5)
    power = distance.abs().mul_(-_LOG2_E / ladder.scale).exp2_()
    p = power.div_((power + c).mul_(power).add_(1.0))
    return torch.add(p.new_full((), c * steepness), p, alpha=(4.0 - c * c) * steepness).mul_(p)


_LOG2_E = math.log2(math.e)
# For smaller ones the square of a hyperbolic cosine exceeds single precision.
_LEAST_SCALE = 1.0 / 80.0
_LARGEST_POWER = 126.0


def _odds(y: Tensor, ladder: Ladder) -> tuple[Tensor, Tensor, Tensor]:
    """Return the distance from the middle of two rungs, and sum and product of the odds against their sigmoids.

    With the distance ``d``, ``v = exp((1/2 - |d|) / scale)`` and ``e = exp(-1 / scale)``, the odds against the two are
    ``v`` and ``v e`` for a positive ``d``, for a negative one their inverses. With the sum ``p`` and the product ``q``
    of these, the sum of the sigmoids is ``1 ± (1 - q) / (1 + p + q)`` and its derivative by the distance
    ``(4 q + p (1 + q)) / (1 + p + q)**2 / scale``.
    """
    inverse = ladder.inverse
    distance = less(y, ladder.origin) - ahead(ladder.shift + 0.5)
    v = exp2(((0.5 - distance.abs()) * ahead(inverse * _LOG2_E)).clamp_max(_LARGEST_POWER))
    e = torch.exp(-inverse) if isinstance(inverse, Tensor) else math.exp(-inverse)
    return distance, v * ahead(1.0 + e), (v * e) * v
