"""Logistic noise: the sigmoid."""

import math

from torch import Tensor

from ana_search.ana.noise.base import NoiseFamily

__all__ = ["Logistic"]


class Logistic(NoiseFamily):
    """Standard logistic."""

    name = "logistic"
    interval = math.log(0.975 / 0.025)
    deviation = math.pi / math.sqrt(3.0)
    reach = 21.0

    def cdf(self, z: Tensor) -> Tensor:
        """Return the sigmoid ``1 / (1 + exp(-z))``."""
        return z.sigmoid()

    def pdf(self, z: Tensor) -> Tensor:
        """Return ``F(z) F(-z)`` with ``F`` the sigmoid."""
        return z.sigmoid() * (-z).sigmoid()

    def quantile(self, v: Tensor) -> Tensor:
        """Return ``log((1 + v) / (1 - v))``."""
        return ((1.0 + v) / (1.0 - v)).log()
