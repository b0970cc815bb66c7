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
            # gelu(z) = z cdf(z), and torch's gelu is several times faster than its erf, if exact to 4e-7 only.
            # The offset, lost on any other number, keeps 0 / 0 out.
            z.add_(1e-37)
            return gelu(z).div_(z)
        return z.mul_(math.sqrt(0.5)).erf_().mul_(0.5).add_(0.5)

    def bell_(self, z: Tensor) -> Tensor:
        """Return ``2**-(z**2)``."""
        # A power of two is several times faster than an exponential.
        return torch.mul(z, z).neg_().exp2_()

    def quantile_(self, v: Tensor) -> Tensor:
        """Return ``sqrt(2) erfinv(v)``."""
        return (erfinv(v) if torch.compiler.is_compiling() else v.erfinv_()).mul_(math.sqrt(2.0))

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        return 0.5 * math.erfc(-z * math.sqrt(0.5))


def erfinv(x: Tensor) -> Tensor:
    """Return the inverse error function to single precision, from operations that compile to vector code.

    M. Giles, "Approximating the erfinv function", GPU Computing Gems Jade Edition, 2011, table 5.
    """
    w = -torch.log((1.0 - x) * (1.0 + x))
    near, far = w - 2.5, torch.sqrt(w) - 3.0
    p, q = torch.full_like(w, _NEAR[0]), torch.full_like(w, _FAR[0])
    for a, b in zip(_NEAR[1:], _FAR[1:], strict=True):
        p, q = a + p * near, b + q * far
    return torch.where(w < 5.0, p, q) * x


_NEAR = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_FAR = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)
