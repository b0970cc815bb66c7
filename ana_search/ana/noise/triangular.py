"""Triangular noise: the quadratic ramp, whose straight-through estimator is Bi-Real's."""

import math

import torch
from torch import Tensor

from ana_search.ana.noise.base import DifferenceFamily

__all__ = ["Triangular"]


class Triangular(DifferenceFamily):
    """The symmetric triangle on [-1, 1], the distribution of the mean of two uniform variables on it."""

    name = "triangular"
    interval = 1.0
    deviation = 1.0 / math.sqrt(6.0)
    reach = 1.0

    def cdf_(self, z: Tensor) -> Tensor:
        """Return ``1/2 + z (2 - |z|) / 2`` with ``z`` clipped to [-1, 1]."""
        # Training keeps the density and evaluation does not: both must round alike.
        return self.cdf_and_density_(z)[0]

    def bell_(self, z: Tensor) -> Tensor:
        """Return ``max(1 - |z|, 0)``."""
        return torch.rsub(z.abs_(), 1.0).clamp_min_(0.0)

    def cdf_and_density_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return both from one ``|z|``: the distribution function is ``1/2 + z (1 + density) / 2``."""
        density = torch.rsub(z.clamp_(-1.0, 1.0).abs(), 1.0)
        return z.addcmul_(z, density).mul_(0.5).add_(0.5), density

    def quantile_(self, v: Tensor) -> Tensor:
        """Return ``sign(v) (1 - sqrt(1 - |v|)) = v / (1 + sqrt(1 - |v|))``."""
        return v.div_(torch.rsub(v.abs(), 1.0).sqrt_().add_(1.0))

    def half_quantile(self, v: Tensor) -> Tensor:
        """Return ``v / 2``, that of a uniform variable."""
        return 0.5 * v

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        z = min(max(z, -1.0), 1.0)
        return z - 0.5 * z * abs(z) + 0.5
