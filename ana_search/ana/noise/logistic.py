"""Logistic noise: the sigmoid."""

import math

import torch
from torch import Tensor

from ana_search.ana.noise.base import Ladder, NoiseFamily

__all__ = ["Logistic"]


class Logistic(NoiseFamily):
    """Standard logistic."""

    name = "logistic"
    interval = math.log(0.975 / 0.025)
    deviation = math.pi / math.sqrt(3.0)
    reach = 21.0

    def cdf_(self, z: Tensor) -> Tensor:
        """Return the sigmoid ``1 / (1 + exp(-z))``."""
        if torch.compiler.is_compiling() and z.dtype == torch.float32:
            # In compiled code a power of two is twice as fast as an exponential.
            return torch.reciprocal(1.0 + torch.exp2(z * -_LOG2_E))
        return z.sigmoid_()

    def bell_(self, z: Tensor) -> Tensor:
        """Return ``F (1 - F)`` with ``F`` the sigmoid."""
        return self.cdf_and_density_(z)[1]

    def cdf_and_density_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sigmoid ``F`` and ``F (1 - F)``."""
        f = self.cdf_(z)
        return f, torch.addcmul(f, f, f, value=-1)

    def quantile_(self, v: Tensor) -> Tensor:
        """Return ``log((1 + v) / (1 - v))``."""
        return (1.0 + v).div_(torch.rsub(v, 1.0)).log_()

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        if z < 0.0:
            e = math.exp(max(z, -745.0))
            return e / (1.0 + e)
        return 1.0 / (1.0 + math.exp(-z))

    def climb(self, y: Tensor, ladder: Ladder) -> Tensor:
        """Return the sum of sigmoids; compiled code takes both of a ternary stair from one exponential."""
        if not (torch.compiler.is_compiling() and ladder.rungs == 2):
            return super().climb(y, ladder)
        distance, near, far = _pair(y, ladder)
        return ladder.offset + ladder.gain * (1.0 + torch.copysign((1.0 - far) / (1.0 + near + far), distance))

    def climb_backward(self, gradient: Tensor, y: Tensor, ladder: Ladder) -> Tensor:
        """Return ``gradient`` times the sum of densities, likewise."""
        if not (torch.compiler.is_compiling() and ladder.rungs == 2):
            return super().climb_backward(gradient, y, ladder)
        _, near, far = _pair(y, ladder)
        slope = (4.0 * far + near * (1.0 + far)) / (1.0 + near + far).square()
        # Where the power was cut off the slope is less than 1e-17: none, or a tiny scale would make it large.
        slope = torch.where(near < _CUT_OFF, slope, 0.0)
        return gradient * slope * (ladder.gain / ladder.scale)


_LOG2_E = math.log2(math.e)
_MOST_POWER = 60.0
_CUT_OFF = 2.0**_MOST_POWER


def _pair(y: Tensor, ladder: Ladder) -> tuple[Tensor, Tensor, Tensor]:
    """Return the distance ``d`` from the middle of two rungs, and two terms that give the sum of both sigmoids.

    With ``v = exp((1/2 - |d|) / scale)`` and ``e = exp(-1 / scale)`` the terms are ``p = v (1 + e)`` and
    ``q = v**2 e``. The sum is ``1 ± (1 - q) / (1 + p + q)`` and its derivative by ``d / scale``
    ``(4 q + p (1 + q)) / (1 + p + q)**2``: the sum and the product of the two odds, multiplied out.
    """
    distance = (y - (ladder.origin + 0.5)) - ladder.shift
    inverse = 1.0 / ladder.scale
    # Where the power is cut off both sigmoids are flat to 1e-18, and its square does not overflow.
    v = torch.exp2(((0.5 - distance.abs()) * (inverse * _LOG2_E)).clamp_max(_MOST_POWER))
    e = torch.exp(-inverse) if isinstance(inverse, Tensor) else math.exp(-inverse)
    return distance, v * (1.0 + e), v * v * e
