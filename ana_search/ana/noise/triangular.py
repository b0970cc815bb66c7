"""Triangular noise: the quadratic ramp, whose straight-through estimator is Bi-Real's."""

import math

from torch import Tensor

from ana_search.ana.noise.base import NoiseFamily

__all__ = ["Triangular"]


class Triangular(NoiseFamily):
    """The symmetric triangle on [-1, 1], the distribution of the mean of two uniform variables on it."""

    name = "triangular"
    interval = 1.0
    deviation = 1.0 / math.sqrt(6.0)
    reach = 1.0

    def cdf(self, z: Tensor) -> Tensor:
        """Return ``1/2 + z (2 - |z|) / 2`` with ``z`` clipped to [-1, 1]."""
        z = z.clamp(-1.0, 1.0)
        return 0.5 + 0.5 * z * (2.0 - z.abs())

    def pdf(self, z: Tensor) -> Tensor:
        """Return ``max(1 - |z|, 0)``."""
        return (1.0 - z.abs()).clamp_min(0.0)

    def quantile(self, v: Tensor) -> Tensor:
        """Return ``sign(v) (1 - sqrt(1 - |v|)) = v / (1 + sqrt(1 - |v|))``."""
        return v / ((1.0 - v.abs()).sqrt() + 1.0)
