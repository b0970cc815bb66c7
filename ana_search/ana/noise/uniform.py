"""Uniform noise: the ramp, whose straight-through estimator is the clipped one (hard tanh)."""

import math

import torch
from torch import Tensor

from ana_search.ana.elementwise import reached
from ana_search.ana.noise.base import NoiseFamily, Scalar

__all__ = ["Uniform"]

_FEW = 4


class Uniform(NoiseFamily):
    """Uniform on [-1, 1)."""

    name = "uniform"
    interval = 1.0
    deviation = 1.0 / math.sqrt(3.0)
    reach = 1.0
    flat = True

    def cdf(self, z: Tensor) -> Tensor:
        """Return ``clip((z + 1) / 2, 0, 1)``."""
        return (0.5 * z + 0.5).clamp(0.0, 1.0)

    def pdf(self, z: Tensor) -> Tensor:
        """Return 1/2 on [-1, 1) and 0 elsewhere: ramps that touch leave no gap between them."""
        return 0.5 * (reached(z, -1.0) - reached(z, 1.0))

    def quantile(self, v: Tensor) -> Tensor:
        """Return ``v``."""
        return v

    def ladder_cdf(self, y: Tensor, first: Scalar, scale: Scalar, n: int, most: float | None) -> Tensor:
        """Return the sum of ramps; in closed form where more than a few overlap.

        The sum is the mean of ``S``, the number of rungs reached, over ``y ± scale``. From rung ``k``, the one
        nearest to ``y``, the integral of ``S - k`` over a distance ``d`` is ``f (d - (f + 1) / 2)`` with
        ``f = S - k`` at its end. Counting from ``k`` keeps all terms small, whatever ``n`` is.
        """
        if self._reachable(most, n) <= _FEW:
            return super().ladder_cdf(y, first, scale, n, most)
        nearest = torch.round(y - (first - 1.0)).clamp(0.0, float(n))
        least, largest = -nearest, n - nearest
        offset = y - nearest - (first - 1.0)

        def integral(d: Tensor) -> Tensor:
            f = torch.floor(d).clamp(least, largest)
            return f * (d - 0.5 * f - 0.5)

        return nearest + (integral(offset + scale) - integral(offset - scale)) * (0.5 / scale)

    def ladder_pdf(self, y: Tensor, first: Scalar, scale: Scalar, n: int, most: float | None) -> Tensor:
        """Return the number of rungs within ``scale`` of ``y``, over ``2 scale``."""
        high = torch.floor(y + (scale - first + 1.0)).clamp(0.0, float(n))
        low = torch.floor(y - (scale + first - 1.0)).clamp(0.0, float(n))
        return (high - low) * (0.5 / scale)

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        return min(max(0.5 * z + 0.5, 0.0), 1.0)
