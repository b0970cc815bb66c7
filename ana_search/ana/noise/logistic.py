"""Logistic noise: the sigmoid."""

import math

import torch
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
        return torch.sigmoid(z)

    def pdf(self, z: Tensor) -> Tensor:
        """Return ``F (1 - F)`` with ``F`` the sigmoid."""
        f = torch.sigmoid(z)
        return f - f * f

    def quantile(self, v: Tensor) -> Tensor:
        """Return ``log((1 + v) / (1 - v))``."""
        return torch.log((1.0 + v) / (1.0 - v))

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        if z < 0.0:
            e = math.exp(max(z, -745.0))
            return e / (1.0 + e)
        return 1.0 / (1.0 + math.exp(-z))
