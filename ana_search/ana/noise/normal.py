"""Normal noise: the error function."""

import math
from statistics import NormalDist

import torch
from torch import Tensor
from torch.nn.functional import gelu

from ana_search.ana.noise.base import NoiseFamily

__all__ = ["Normal"]


class Normal(NoiseFamily):
    """Standard normal."""

    name = "normal"
    interval = NormalDist().inv_cdf(0.975)
    deviation = 1.0
    reach = 6.0
    peak = 1.0 / math.sqrt(2.0 * math.pi)
    bell_unit = math.sqrt(0.5 / math.log(2.0))

    def cdf_(self, z: Tensor) -> Tensor:
        """Return ``(1 + erf(z / sqrt(2))) / 2``."""
        if z.dtype == torch.float32 and z.device.type == "cpu" and not torch.compiler.is_compiling():
            # gelu(z) = z cdf(z), and torch's gelu is several times faster than its erf. The offset, lost on
            # any other number, keeps 0 / 0 out.
            z.add_(1e-37)
            return gelu(z).div_(z)
        return z.mul_(math.sqrt(0.5)).erf_().mul_(0.5).add_(0.5)

    def bell_(self, z: Tensor) -> Tensor:
        """Return ``2**-(z**2)``."""
        # A power of two is several times faster than an exponential.
        return torch.mul(z, z).neg_().exp2_()

    def quantile_(self, v: Tensor) -> Tensor:
        """Return ``sqrt(2) erfinv(v)``."""
        return v.erfinv_().mul_(math.sqrt(2.0))

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        return 0.5 * math.erfc(-z * math.sqrt(0.5))
