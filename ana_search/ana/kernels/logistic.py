"""The kernel of logistic noise: sigmoids, and the slope of a ternary stair from one power."""

import math

import torch
from torch import Tensor

from ana_search.ana.kernels.family import FamilyKernel
from ana_search.ana.kernels.thresholds import NoisyThresholds, from_origin

_LOG2_E = math.log2(math.e)

_LEAST_SCALE = 1.0 / 80.0
"""For smaller ones the square of a hyperbolic cosine exceeds single precision."""


class LogisticKernel(FamilyKernel):
    """Logistic noise."""

    takes_powers = True

    def cdf_(self, z: Tensor) -> Tensor:
        """Return the sigmoid."""
        return z.sigmoid_()

    def bell_(self, z: Tensor) -> Tensor:
        """Return ``F (1 - F)`` with ``F`` the sigmoid."""
        return self.cdf_and_bell_(z)[1]

    def cdf_and_bell_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sigmoid ``F`` and ``F (1 - F)``."""
        f = self.cdf_(z)
        return f, torch.addcmul(f, f, f, value=-1)

    def slope_times(
        self, gradient: Tensor, y: Tensor, thresholds: NoisyThresholds, out: Tensor | None = None
    ) -> Tensor:
        """Return ``gradient`` times the sum of densities; that of two from one power and one division."""
        scale = thresholds.scale
        if thresholds.number != 2 or isinstance(scale, Tensor) or scale < _LEAST_SCALE:
            return super().slope_times(gradient, y, thresholds, out)
        return torch.mul(_slope_of_two(y, thresholds, scale), gradient, out=out)


def _slope_of_two(y: Tensor, thresholds: NoisyThresholds, scale: float) -> Tensor:
    """Return the sum of two densities whose centres are 1 apart, from one power and one division.

    At a distance ``d`` from the middle, with ``E = exp(-|d| / scale)`` and ``C = 2 cosh(1 / (2 scale))``, multiplying
    the sigmoids out gives ``P (C - (C**2 - 4) P) / scale`` with ``P = E / (1 + C E + E**2)``.
    """
    steepness, c = float(thresholds.steepness), 2.0 * math.cosh(0.5 / scale)
    distance = from_origin(from_origin(y, thresholds.origin), thresholds.shift + 0.5)
    power = distance.abs().mul_(-_LOG2_E / scale).exp2_()
    p = power.div_((power + c).mul_(power).add_(1.0))
    return torch.add(p.new_full((), c * steepness), p, alpha=(4.0 - c * c) * steepness).mul_(p)
