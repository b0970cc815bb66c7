"""Normal noise: the error function."""

import math
from statistics import NormalDist

import torch
from torch import Tensor
from torch.nn.functional import gelu

from ana_search.ana.elementwise import INTEL, WIDE_VECTORS, exp2
from ana_search.ana.noise.base import DifferenceFamily, Ladder, less, raised

__all__ = ["Normal"]


class Normal(DifferenceFamily):
    """Standard normal."""

    name = "normal"
    interval = NormalDist().inv_cdf(0.975)
    deviation = 1.0
    reach = 6.0
    costly = True
    peak = 1.0 / math.sqrt(2.0 * math.pi)
    bell_unit = math.sqrt(0.5 / math.log(2.0))

    def cdf_(self, z: Tensor) -> Tensor:
        """Return ``(1 + erf(z / sqrt(2))) / 2``."""
        if torch.compiler.is_compiling() and z.dtype == torch.float32:
            return cdf_and_density(z)[0]
        if not _erf_is_cheap(z):
            z.clamp_(-_FAR_AWAY, _FAR_AWAY).add_(_OFFSET)
            return gelu(z).div_(z)
        return z.mul_(math.sqrt(0.5)).erf_().mul_(0.5).add_(0.5)

    def bell_(self, z: Tensor) -> Tensor:
        """Return ``2**-(z**2)``."""
        if torch.compiler.is_compiling():
            return exp2(z * -z)
        # A power of two is several times faster than an exponential.
        return torch.addcmul(z.new_zeros(()), z, z, value=-1.0).exp2_()

    def cdf_and_density_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return both from one argument."""
        if torch.compiler.is_compiling() and z.dtype == torch.float32:
            return cdf_and_density(z)
        density = torch.square(z).mul_(-(self.bell_unit**2)).exp2_()
        return self.cdf_(z), density

    def climb(self, y: Tensor, ladder: Ladder, out: Tensor | None = None) -> Tensor:
        """Return the sum of distribution functions; that of a few is a sum of error functions."""
        if not _are_few(ladder):
            return super().climb(y, ladder, out)
        return _height(_arguments(_in_reach(y, ladder), ladder), ladder, out)

    def climb_with_slope(self, y: Tensor, ladder: Ladder, slope: Tensor, out: Tensor | None = None) -> Tensor:
        """Return `climb` and write its derivative into ``slope``, likewise."""
        if not _are_few(ladder):
            return super().climb_with_slope(y, ladder, slope, out)
        arguments = _arguments(_in_reach(y, ladder), ladder)
        self._slope(arguments, ladder, slope, out)
        return _height(arguments, ladder, out)

    def climb_backward(self, gradient: Tensor, y: Tensor, ladder: Ladder, out: Tensor | None = None) -> Tensor:
        """Return ``gradient`` times the sum of densities."""
        if not _are_few(ladder):
            return super().climb_backward(gradient, y, ladder, out)
        return self._slope(_arguments(y, ladder), ladder, torch.empty_like(y) if out is None else out).mul_(gradient)

    def _slope(self, arguments: list[Tensor], ladder: Ladder, slope: Tensor, scratch: Tensor | None = None) -> Tensor:
        """Return the derivative of `climb`, in ``slope``; all factors are in the exponent."""
        exponent = arguments[0].new_full((), math.log2(self.peak * float(ladder.steepness)))
        torch.addcmul(exponent, arguments[0], arguments[0], value=-_LOG2_E, out=slope).exp2_()
        for u in arguments[1:]:
            slope.add_(torch.addcmul(exponent, u, u, value=-_LOG2_E, out=scratch).exp2_())
        return slope

    def quantile_(self, v: Tensor) -> Tensor:
        """Return ``sqrt(2) erfinv(v)``."""
        return v.erfinv_().mul_(math.sqrt(2.0))

    def half_quantile(self, v: Tensor) -> Tensor:
        """Return ``erfinv(v)``, that of a normal variable with half the variance."""
        return v.erfinv()

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        return 0.5 * math.erfc(-z * math.sqrt(0.5))


def _erf_is_cheap(z: Tensor) -> bool:
    """Whether torch's error function is used: elsewhere its gelu is several times faster, if exact to 4e-7 only."""
    return (WIDE_VECTORS and INTEL) or z.dtype != torch.float32 or z.device.type != "cpu"


def _are_few(ladder: Ladder) -> bool:
    """Whether there are few rungs and all is known of them."""
    if torch.compiler.is_compiling() or isinstance(ladder.scale, Tensor) or isinstance(ladder.shift, Tensor):
        return False
    return ladder.rungs <= _FEW and ladder.scale >= _LEAST_SCALE


def _in_reach(y: Tensor, ladder: Ladder) -> Tensor:
    """Return ``y``, for gelu held to where noise reaches a rung, and one step more: infinity would become NaN."""
    if _erf_is_cheap(y):
        return y
    low, beyond = ladder.origin + float(ladder.shift), 1.0 + _FAR_AWAY * float(ladder.scale)
    return y.clamp(low - beyond, low + (ladder.rungs - 1) + beyond)


def _arguments(y: Tensor, ladder: Ladder) -> list[Tensor]:
    """Return the distance from each rung, in units in which the error function of it is taken."""
    base, shift, unit = less(y, ladder.origin), float(ladder.shift), math.sqrt(0.5) / float(ladder.scale)
    if ladder.scale >= _WIDE:  # one operation: what it loses to rounding does not show
        return [torch.add(base.new_full((), -unit * (shift + j)), base, alpha=unit) for j in range(ladder.rungs)]
    return [(base - (shift + j)).mul_(unit) for j in range(ladder.rungs)]


def _height(arguments: list[Tensor], ladder: Ladder, out: Tensor | None) -> Tensor:
    """Return the value of a ladder from what `_arguments` returns, perhaps in their memory."""
    if _erf_is_cheap(arguments[0]):
        half = 0.5 * ladder.gain
        total = arguments[0].erf_()
        for u in arguments[1:]:
            total.add_(u.erf_())
        return raised(total, half, ladder.offset + half * ladder.rungs, out)
    offset, total = (arguments[0].new_full((), number) for number in (_OFFSET, ladder.offset))
    for u in arguments:
        z = torch.add(offset, u, alpha=math.sqrt(2.0), out=u)
        total = torch.addcdiv(total, gelu(z), z, value=ladder.gain, out=out)
    return total


def cdf_and_density(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distribution function to 3e-7, and ``exp(-z**2 / 2)``, from operations that compile to vector code.

    The tail is ``exp(-z**2 / 2) P(t)`` with ``t = 1 / (1 + 0.33 |z|)``: the form of 7.1.26 in Abramowitz and Stegun,
    "Handbook of mathematical functions" (1964), fitted here for the least largest error, 7e-8 but for rounding.
    """
    density = exp2(z * z * -(Normal.bell_unit**2))
    t = torch.reciprocal(1.0 + _TAIL_UNIT * z.abs())
    p = torch.full_like(t, _TAIL[0])
    for a in _TAIL[1:]:
        p = a + p * t
    tail = density * (p * t)
    return torch.where(z >= 0.0, 1.0 - tail, tail), density


# The distribution function is gelu(z) / z. The offset, lost on any other number, keeps 0 / 0 out, and the bound, where
# the density is 1e-37, infinity over infinity.
_OFFSET = 1e-37
_FAR_AWAY = 13.0
_FEW = 3
_WIDE = 0.1
_LOG2_E = math.log2(math.e)
# The inverse square of a smaller one may exceed single precision.
_LEAST_SCALE = 1e-12
_TAIL_UNIT = 0.33
_TAIL = (-0.110677065, 0.37929631, -0.0962550621, 0.206238914, 0.121396932)
