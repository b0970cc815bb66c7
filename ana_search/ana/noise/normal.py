"""Normal noise: the error function."""

import math
from statistics import NormalDist

import torch
from torch import Tensor
from torch.nn.functional import gelu

from ana_search.ana.elementwise import WIDE_VECTORS, exp2, reached
from ana_search.ana.noise.base import Ladder, NoiseFamily, height, less

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
        if torch.compiler.is_compiling() and z.dtype == torch.float32:
            return rational_cdf(z)
        if not _erf_is_cheap(z):
            # gelu(z) = z cdf(z). The offset, lost on any other number, keeps 0 / 0 out.
            z.add_(1e-37)
            return gelu(z).div_(z)
        return z.mul_(math.sqrt(0.5)).erf_().mul_(0.5).add_(0.5)

    def bell_(self, z: Tensor) -> Tensor:
        """Return ``2**-(z**2)``."""
        if torch.compiler.is_compiling():
            return exp2((z * -z).clamp_min(_LEAST_POWER))
        # A power of two is several times faster than an exponential.
        return torch.addcmul(z.new_zeros(()), z, z, value=-1.0).exp2_()

    def cdf_and_density_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return both from one argument."""
        density = torch.square(z).mul_(-(self.bell_unit**2)).exp2_()
        return self.cdf_(z), density

    def crossed_(self, z: Tensor, v: Tensor) -> Tensor:
        """Return `NoiseFamily.crossed_`; compiled code multiplies by the denominator instead of dividing."""
        if torch.compiler.is_compiling() and z.dtype == torch.float32:
            above, below = _ratio(z)
            return reached(2.0 * above, v * below)
        return super().crossed_(z, v)

    def climb(self, y: Tensor, ladder: Ladder) -> Tensor:
        """Return the sum of distribution functions; that of a few is a sum of error functions."""
        if not _sums_error_functions(y, ladder):
            return super().climb(y, ladder)
        return _height([z.erf_() for z in self._arguments(y, ladder)], ladder)

    def climb_with_slope(self, y: Tensor, ladder: Ladder) -> tuple[Tensor, Tensor]:
        """Return `climb` and its derivative, likewise."""
        if not _sums_error_functions(y, ladder):
            return super().climb_with_slope(y, ladder)
        arguments, zero = self._arguments(y, ladder), y.new_zeros(())
        slope = _total([torch.addcmul(zero, z, z, value=-_LOG2_E).exp2_() for z in arguments])
        slope.mul_(ladder.gain * self.peak / ladder.scale)
        return _height([z.erf_() for z in arguments], ladder), slope

    def _arguments(self, y: Tensor, ladder: Ladder) -> list[Tensor]:
        """Return what the error function is taken of, for each rung."""
        base = less(y, ladder.origin)
        return [(base - (ladder.shift + j)).mul_(math.sqrt(0.5) / ladder.scale) for j in range(ladder.rungs)]

    def climb_backward(self, gradient: Tensor, y: Tensor, ladder: Ladder) -> Tensor:
        """Return ``gradient`` times the sum of densities; all factors of a few are in the exponent."""
        scale = ladder.scale
        if torch.compiler.is_compiling() or isinstance(scale, Tensor) or scale < _LEAST_SCALE or ladder.rungs > _FEW:
            return super().climb_backward(gradient, y, ladder)
        base, exponent = less(y, ladder.origin), y.new_full((), math.log2(ladder.gain * self.peak / scale))
        total: Tensor | None = None
        for j in range(ladder.rungs):
            z = base - (ladder.shift + j)
            term = torch.addcmul(exponent, z, z, value=-((self.bell_unit / scale) ** 2)).exp2_()
            total = term if total is None else total.add_(term)
        assert total is not None
        return total.mul_(gradient)

    def quantile_(self, v: Tensor) -> Tensor:
        """Return ``sqrt(2) erfinv(v)``."""
        return (erfinv(v) if torch.compiler.is_compiling() else v.erfinv_()).mul_(math.sqrt(2.0))

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        return 0.5 * math.erfc(-z * math.sqrt(0.5))


def _erf_is_cheap(z: Tensor) -> bool:
    """Whether torch's error function is used: elsewhere its gelu is several times faster, if exact to 4e-7 only."""
    return z.dtype != torch.float32 or z.device.type != "cpu" or WIDE_VECTORS


def _sums_error_functions(y: Tensor, ladder: Ladder) -> bool:
    known = not (torch.compiler.is_compiling() or isinstance(ladder.scale, Tensor))
    return known and ladder.rungs <= _FEW and _erf_is_cheap(y)


def _total(terms: list[Tensor]) -> Tensor:
    """Return the sum of tensors, in the memory of the first."""
    for term in terms[1:]:
        terms[0].add_(term)
    return terms[0]


def _height(error_functions: list[Tensor], ladder: Ladder) -> Tensor:
    """Return the value of a ladder from the error function at each rung, in the memory of the first."""
    half = ladder._replace(gain=0.5 * ladder.gain, offset=ladder.offset + 0.5 * ladder.gain * ladder.rungs)
    return height(_total(error_functions), ladder.origin, half)


def rational_cdf(z: Tensor) -> Tensor:
    """Return the distribution function to 2e-7 in single precision, from operations that compile to vector code."""
    above, below = _ratio(z)
    return (0.5 + above / below).clamp(0.0, 1.0)


def _ratio(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return numerator and (positive) denominator of the distribution function less 1/2.

    ``z P(z**2) / Q(z**2)``, fitted here for the least largest error on ``|z| <= 5.5``; 2e-8 lies beyond.
    """
    z = z.clamp(-5.5, 5.5)
    s = z * z
    p, q = torch.full_like(s, _NUMERATOR[0]), torch.full_like(s, _DENOMINATOR[0])
    for a in _NUMERATOR[1:]:
        p = a + p * s
    for a in _DENOMINATOR[1:]:
        q = a + q * s
    return z * p, q


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


_LOG2_E = math.log2(math.e)
_FEW = 3
# The inverse square of a smaller one may exceed single precision.
_LEAST_SCALE = 1e-12
_LEAST_POWER = -126.0
_NUMERATOR = (
    -7.27670604e-11,
    5.1786603e-08,
    8.37997999e-06,
    0.000169191534,
    0.0047950864,
    0.0326476143,
    0.398942285,
)
_DENOMINATOR = (
    1.9728735e-06,
    8.14188851e-05,
    0.001927356,
    0.0284363128,
    0.248502194,
    1.0,
)
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
