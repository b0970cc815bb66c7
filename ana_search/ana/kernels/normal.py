"""The kernel of normal noise: error functions by way of the fastest function that the machine has for them."""

import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import gelu

from ana_search.ana.kernels.family import FamilyKernel
from ana_search.ana.kernels.thresholds import NoisyThresholds, from_origin, raised


def _has_fast_erf() -> bool:
    """Whether PyTorch computes error functions with Intel's library on a CPU that it was written for."""
    try:
        intel = "GenuineIntel" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return intel and torch.backends.cpu.get_cpu_capability() == "AVX512"


_FAST_ERF = _has_fast_erf()

_FEW = 3
"""Up to this many thresholds are summed as error functions, with all factors of the density in its exponent."""

_WIDE = 0.1
"""From this scale on the argument is shifted and scaled in one operation: what that loses to rounding does not show."""

_LEAST_SCALE = 1e-12
"""The inverse square of a smaller one may exceed single precision."""

_OFFSET = 1e-37
_FAR_AWAY = 13.0
"""The distribution function is ``gelu(z) / z``. The offset, lost on any other number, keeps 0 / 0 out, and the bound,
where the density is 1e-37, infinity over infinity."""

_LOG2_E = math.log2(math.e)

_TAIL = (-0.110677065, 0.37929631, -0.0962550621, 0.206238914, 0.121396932)


class NormalKernel(FamilyKernel):
    """Normal noise."""

    peak = 1.0 / math.sqrt(2.0 * math.pi)
    takes_powers = True
    bell_unit = math.sqrt(0.5 / math.log(2.0))

    def cdf_(self, z: Tensor) -> Tensor:
        """Return ``(1 + erf(z / sqrt(2))) / 2``."""
        if _fuses(z):
            return _from_one_power(z)[0]
        if not erf_is_cheap(z):
            z.clamp_(-_FAR_AWAY, _FAR_AWAY).add_(_OFFSET)
            return gelu(z).div_(z)
        return z.mul_(math.sqrt(0.5)).erf_().mul_(0.5).add_(0.5)

    def bell_(self, z: Tensor) -> Tensor:
        """Return ``2**-(z**2)``: a power of two is several times faster than an exponential."""
        return torch.addcmul(z.new_zeros(()), z, z, value=-1.0).exp2_()

    def cdf_and_bell_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return both from one argument."""
        if _fuses(z):
            return _from_one_power(z)
        density = torch.square(z).mul_(-(self.bell_unit**2)).exp2_()
        return self.cdf_(z), density

    def expected_level(self, y: Tensor, thresholds: NoisyThresholds, out: Tensor | None = None) -> Tensor:
        """Return the sum of distribution functions; that of a few is a sum of error functions."""
        if not _are_few(thresholds):
            return super().expected_level(y, thresholds, out)
        return _level(_arguments(_in_reach(y, thresholds), thresholds), thresholds, out)

    def level_and_slope(
        self, y: Tensor, thresholds: NoisyThresholds, slope: Tensor, out: Tensor | None = None
    ) -> Tensor:
        """Return `expected_level` and write its derivative into ``slope``, likewise."""
        if not _are_few(thresholds):
            return super().level_and_slope(y, thresholds, slope, out)
        arguments = _arguments(_in_reach(y, thresholds), thresholds)
        self._slope(arguments, thresholds, slope, out)
        return _level(arguments, thresholds, out)

    def slope_times(
        self, gradient: Tensor, y: Tensor, thresholds: NoisyThresholds, out: Tensor | None = None
    ) -> Tensor:
        """Return ``gradient`` times the sum of densities."""
        if not _are_few(thresholds):
            return super().slope_times(gradient, y, thresholds, out)
        slope = torch.empty_like(y) if out is None else out
        return self._slope(_arguments(y, thresholds), thresholds, slope).mul_(gradient)

    def _slope(
        self, arguments: list[Tensor], thresholds: NoisyThresholds, slope: Tensor, scratch: Tensor | None = None
    ) -> Tensor:
        """Return the derivative of `expected_level`, in ``slope``; all factors are in the exponent."""
        exponent = arguments[0].new_full((), math.log2(self.peak * float(thresholds.steepness)))
        torch.addcmul(exponent, arguments[0], arguments[0], value=-_LOG2_E, out=slope).exp2_()
        for u in arguments[1:]:
            slope.add_(torch.addcmul(exponent, u, u, value=-_LOG2_E, out=scratch).exp2_())
        return slope


def erf_is_cheap(z: Tensor) -> bool:
    """Whether torch's error function is used: elsewhere its gelu is several times faster, if exact to 4e-7 only."""
    if z.dtype != torch.float32 or z.device.type != "cpu" or torch.compiler.is_compiling():
        return True
    return _FAST_ERF


def _fuses(z: Tensor) -> bool:
    """Whether the compiler will fuse a polynomial into the loop, which then takes less time than an error function."""
    return torch.compiler.is_compiling() and z.dtype == torch.float32 and z.device.type == "cpu"


def _from_one_power(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distribution function to 3e-7, and ``exp(-z**2 / 2)``, from one power and one division.

    The tail is ``exp(-z**2 / 2) P(t)`` with ``t = 1 / (1 + 0.33 |z|)``: the form of 7.1.26 in Abramowitz and Stegun,
    "Handbook of mathematical functions" (1964), fitted here for the least largest error, 7e-8 but for rounding.
    """
    density = torch.exp2(z * z * (-0.5 * _LOG2_E))
    t = torch.reciprocal(1.0 + 0.33 * z.abs())
    p = torch.full_like(t, _TAIL[0])
    for coefficient in _TAIL[1:]:
        p = coefficient + p * t
    tail = density * (p * t)
    return torch.where(z >= 0.0, 1.0 - tail, tail), density


def _are_few(thresholds: NoisyThresholds) -> bool:
    """Whether there are few thresholds and all is known of them."""
    if isinstance(thresholds.scale, Tensor) or isinstance(thresholds.shift, Tensor):
        return False
    return thresholds.number <= _FEW and thresholds.scale >= _LEAST_SCALE


def _in_reach(y: Tensor, thresholds: NoisyThresholds) -> Tensor:
    """Return ``y``, for gelu held to where noise reaches a threshold, and one step more: infinity would become NaN."""
    if erf_is_cheap(y):
        return y
    low, beyond = thresholds.origin + float(thresholds.shift), 1.0 + _FAR_AWAY * float(thresholds.scale)
    return y.clamp(low - beyond, low + (thresholds.number - 1) + beyond)


def _arguments(y: Tensor, thresholds: NoisyThresholds) -> list[Tensor]:
    """Return the distance from each threshold, in units in which the error function of it is taken."""
    base, count = from_origin(y, thresholds.origin), thresholds.number
    shift, unit = float(thresholds.shift), math.sqrt(0.5) / float(thresholds.scale)
    if thresholds.scale >= _WIDE:
        return [torch.add(base.new_full((), -unit * (shift + j)), base, alpha=unit) for j in range(count)]
    return [(base - (shift + j)).mul_(unit) for j in range(count)]


def _level(arguments: list[Tensor], thresholds: NoisyThresholds, out: Tensor | None) -> Tensor:
    """Return the expected level from what `_arguments` returns, perhaps in their memory."""
    if erf_is_cheap(arguments[0]):
        half = 0.5 * thresholds.jump
        total = arguments[0].erf_()
        for u in arguments[1:]:
            total.add_(u.erf_())
        return raised(total, half, thresholds.lowest + half * thresholds.number, out)
    offset, total = (arguments[0].new_full((), number) for number in (_OFFSET, thresholds.lowest))
    for u in arguments:
        z = torch.add(offset, u, alpha=math.sqrt(2.0), out=u)
        total = torch.addcdiv(total, gelu(z), z, value=thresholds.jump, out=out)
    return total
