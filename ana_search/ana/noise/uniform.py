"""Uniform noise: the ramp, whose straight-through estimator is the clipped one (hard tanh)."""

import math

from torch import Tensor

from ana_search.ana.noise.base import NoiseFamily

__all__ = ["Uniform"]


class Uniform(NoiseFamily):
    """Uniform on [-1, 1)."""

    name = "uniform"
    interval = 1.0
    deviation = 1.0 / math.sqrt(3.0)
    reach = 1.0

    def cdf(self, z: Tensor) -> Tensor:
        """Return ``clip((z + 1) / 2, 0, 1)``."""
        return (0.5 * z + 0.5).clamp(0.0, 1.0)

    def pdf(self, z: Tensor) -> Tensor:
        """Return 1/2 on [-1, 1) and 0 elsewhere: ramps that touch leave no gap between them."""
        return 0.5 * ((z >= -1.0) & (z < 1.0)).to(z.dtype)

    def quantile(self, v: Tensor) -> Tensor:
        """Return ``v``."""
        return v
