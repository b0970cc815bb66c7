"""Normal noise: the error function."""

import math
from statistics import NormalDist

from torch import Tensor

from ana_search.ana.noise.base import NoiseFamily

__all__ = ["Normal"]


class Normal(NoiseFamily):
    """Standard normal."""

    name = "normal"
    interval = NormalDist().inv_cdf(0.975)
    deviation = 1.0
    reach = 6.0

    def cdf(self, z: Tensor) -> Tensor:
        """Return ``(1 + erf(z / sqrt(2))) / 2``."""
        return 0.5 + 0.5 * (z * math.sqrt(0.5)).erf()

    def pdf(self, z: Tensor) -> Tensor:
        """Return ``exp(-z**2 / 2) / sqrt(2 pi)``."""
        return (-0.5 * z * z).exp() / math.sqrt(2.0 * math.pi)

    def quantile(self, v: Tensor) -> Tensor:
        """Return ``sqrt(2) erfinv(v)``."""
        return v.erfinv() * math.sqrt(2.0)
