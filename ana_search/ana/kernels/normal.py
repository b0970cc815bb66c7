"""The kernel of normal noise: error functions by way of the fastest function that the machine has for them."""

import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import gelu

from ana_search.ana.kernels.family import FamilyKernel, raised


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
    """Normal noise. Of a few thresholds, all known, the level is a sum of error functions."""

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

    def level(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Return the sum of distribution functions."""
        if not self._are_few():
            return super().level(x, out)
        return self._level(self._distances(self._in_reach(x)), out)

    def level_and_slope(self, x: Tensor, slope: Tensor, out: Tensor | None = None) -> Tensor:
        """Return `level` and write its derivative by ``x`` into ``slope``."""
        if not self._are_few():
            return super().level_and_slope(x, slope, out)
        distances = self._distances(self._in_reach(x))
        self._slope(distances, slope, out)
        return self._level(distances, out)

    def slope_times(self, gradient: Tensor, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Return ``gradient`` times the sum of densities."""
        if not self._are_few():
            return super().slope_times(gradient, x, out)
        distances = self._distances(self.argument(x))
        return self._slope(distances, torch.empty_like(x) if out is None else out).mul_(gradient)

    def _are_few(self) -> bool:
        known = self.jumps is None and not isinstance(self.scale, Tensor) and not isinstance(self.shift, Tensor)
        return known and self.number <= _FEW and float(self.scale) >= _LEAST_SCALE

    def _in_reach(self, x: Tensor) -> Tensor:
        """Return `argument`, for gelu held to where noise reaches a threshold: infinity would become NaN."""
        y = self.argument(x)
        if erf_is_cheap(y):
            return y
        low, beyond = self.origin + float(self.shift), 1.0 + _FAR_AWAY * float(self.scale)
        return y.clamp(low - beyond, low + (self.number - 1) + beyond)

    def _distances(self, y: Tensor) -> list[Tensor]:
        """Return the distance from each threshold, in units in which the error function of it is taken."""
        base, unit = self.from_origin(y, self.origin), math.sqrt(0.5) / float(self.scale)
        centres = [float(self.shift) + j for j in range(self.number)]
        if float(self.scale) >= _WIDE:
            return [torch.add(base.new_full((), -unit * centre), base, alpha=unit) for centre in centres]
        return [(base - centre).mul_(unit) for centre in centres]

    def _level(self, distances: list[Tensor], out: Tensor | None) -> Tensor:
        """Return the expected level, perhaps in the memory of the distances."""
        if erf_is_cheap(distances[0]):
            half = 0.5 * self.jump
            total = distances[0].erf_()
            for u in distances[1:]:
                total.add_(u.erf_())
            return raised(total, half, self.lowest + half * self.number, out)
        offset, total = (distances[0].new_full((), number) for number in (_OFFSET, self.lowest))
        for u in distances:
            z = torch.add(offset, u, alpha=math.sqrt(2.0), out=u)
            total = torch.addcdiv(total, gelu(z), z, value=self.jump, out=out)
        return total

    def _slope(self, distances: list[Tensor], slope: Tensor, scratch: Tensor | None = None) -> Tensor:
        """Return the derivative of `level`, in ``slope``; all factors are in the exponent."""
        exponent = slope.new_full((), math.log2(self.peak * float(self.steepness)))
        torch.addcmul(exponent, distances[0], distances[0], value=-_LOG2_E, out=slope).exp2_()
        for u in distances[1:]:
            slope.add_(torch.addcmul(exponent, u, u, value=-_LOG2_E, out=scratch).exp2_())
        return slope


def erf_is_cheap(z: Tensor) -> bool:
    """Whether torch's error function is used: elsewhere its gelu is several times faster, if exact to 4e-7 only."""
    return _FAST_ERF or z.dtype != torch.float32 or z.device.type != "cpu" or torch.compiler.is_compiling()


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
