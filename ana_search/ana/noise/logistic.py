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

    def cdf_(self, z: Tensor) -> Tensor:
        """Return the sigmoid ``1 / (1 + exp(-z))``."""
        return z.sigmoid_()

    def bell_(self, z: Tensor) -> Tensor:
        """Return ``F (1 - F)`` with ``F`` the sigmoid."""
        f = z.sigmoid_()
        return f.sub_(f * f)

    def quantile_(self, v: Tensor) -> Tensor:
        """Return ``log((1 + v) / (1 - v))``."""
        return (1.0 + v).div_(v.neg_().add_(1.0)).log_()

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        if z < 0.0:
            e = math.exp(max(z, -745.0))
            return e / (1.0 + e)
        return 1.0 / (1.0 + math.exp(-z))
