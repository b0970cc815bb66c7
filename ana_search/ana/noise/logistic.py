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
        return f * (1.0 - f)

    def cdf_pdf(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``F`` and ``F - F**2``."""
        f = torch.sigmoid(z)
        return f, f - f * f

    def quantile(self, u: Tensor) -> Tensor:
        """Return ``log(u / (1 - u))``."""
        return torch.log(u / (1.0 - u))

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        if z < 0.0:
            e = math.exp(max(z, -745.0))
            return e / (1.0 + e)
        return 1.0 / (1.0 + math.exp(-z))
