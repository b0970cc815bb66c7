"""What every noise family offers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from ana_search.ana.elementwise import ahead

__all__ = ["TINY", "DifferenceFamily", "Ladder", "NoiseFamily", "Scalar", "Width"]

Width = Literal["interval", "deviation"]

Scalar = float | Tensor
"""A Python number or a 0-d tensor."""

TINY = 1e-20
"""Noise of a smaller scale than this is none: no floating-point argument is as close to a threshold."""


class Ladder(NamedTuple):
    """Equally spaced noisy thresholds ("rungs") at ``origin + shift + j``, in units of their distance.

    The origin is an integer, kept apart from the small rest: subtracting both from an argument of single
    precision would cost it digits.
    """

    origin: float
    shift: Scalar
    rungs: int
    scale: Scalar
    """Native scale of the noise."""
    inverse: Scalar
    """Its inverse."""
    most: float | None
    """Upper bound on the scale, if one is known."""
    gain: float
    """What passing a rung adds."""
    steepness: Scalar
    """The gain over the scale in units of the argument: what a density of 1 adds to the derivative by it."""
    offset: float
    """The value below all rungs."""


class NoiseFamily(ABC):
    """A symmetric, unimodal, log-concave distribution in its native units ``z = (x - mean) / scale``.

    Methods keep the shape, dtype and device of their argument; those whose name ends in an underscore may
    overwrite it.
    """

    name: ClassVar[str]
    interval: ClassVar[float]
    """Half-width, in native units, of the interval that `spread` measures: all of a bounded distribution,
    95 % of an unbounded one."""
    deviation: ClassVar[float]
    """Standard deviation in native units."""
    reach: ClassVar[float]
    """Distance, in native units, beyond which less than 1e-9 of the distribution lies."""
    peak: ClassVar[float] = 1.0
    bell_unit: ClassVar[float] = 1.0
    """The density is ``peak * bell(bell_unit * z)``: constants that a sum of densities needs only once."""
    flat: ClassVar[bool] = False
    """Whether the density is constant where it is not zero."""
    costly: ClassVar[bool] = False
    """Whether the density takes more than a few products."""

    def cdf(self, z: Tensor) -> Tensor:
        """Return the distribution function."""
        return self.cdf_(z.clone())

    def pdf(self, z: Tensor) -> Tensor:
        """Return the density, the derivative of `cdf` (from the right where it has two)."""
        return self.bell_(z * self.bell_unit).mul_(self.peak)

    @abstractmethod
    def cdf_(self, z: Tensor) -> Tensor:
        """Return the distribution function, perhaps in the memory of ``z``."""

    @abstractmethod
    def bell_(self, z: Tensor) -> Tensor:
        """Return the density in other units, ``pdf(z / bell_unit) / peak``, perhaps in the memory of ``z``."""

    def cdf_and_density_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return `cdf` and ``pdf / peak``, which may share work, perhaps in the memory of ``z``."""
        density = self.bell_(z * self.bell_unit)
        return self.cdf_(z), density

    @abstractmethod
    def quantile_(self, v: Tensor) -> Tensor:
        """Return what noise stays below with probability ``(1 + v) / 2``, for ``v`` in (-1, 1)."""

    @abstractmethod
    def probability(self, z: float) -> float:
        """Return `cdf` of one Python number, in double precision."""

    def scale(self, spread: Scalar, width: Width = "interval") -> Scalar:
        """Return the native scale of noise with this spread, in the spread's units.

        With ``width="interval"`` the interval ``mean ± spread`` holds the noise (all of it, or 95 % of an
        unbounded family); with ``"deviation"`` the standard deviation is ``spread / sqrt(3)``, which is the
        same thing for uniform noise.
        """
        return spread * self.factor(width)

    def factor(self, width: Width = "interval") -> float:
        """Return the native scale of noise with spread 1."""
        return 1.0 / self.interval if width == "interval" else 1.0 / (math.sqrt(3.0) * self.deviation)

    def sample(
        self,
        shape: Sequence[int],
        generator: torch.Generator | None = None,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Return independent samples in native units, of the given shape.

        ``generator`` defaults to torch's own for the device; the device defaults to the generator's.
        """
        if device is None and generator is not None:
            device = generator.device
        u = torch.rand(tuple(shape), generator=generator, dtype=torch.float64, device=device)
        nearly = 1.0 - 2.0**-53
        v = u.mul_(2.0).sub_(1.0).clamp_(-nearly, nearly)
        return self.quantile_(v).to(dtype or torch.get_default_dtype())

    def climb(self, y: Tensor, ladder: Ladder, out: Tensor | None = None) -> Tensor:
        """Return ``offset + gain * sum_r cdf((y - r) / scale)`` over the rungs ``r`` of the ladder, perhaps in ``out``.

        Only the rungs that noise can reach from ``y`` are evaluated: those below count 1, those above 0.
        """
        lowest, count = window(y, ladder, self.reach)
        (total,) = sums(lambda z: (self.cdf_(z),), 1.0, less(y, lowest), ladder, count)
        return height(total, lowest, ladder, out)

    def climb_backward(self, gradient: Tensor, y: Tensor, ladder: Ladder, out: Tensor | None = None) -> Tensor:
        """Return ``gradient`` times the derivative of `climb` by the argument, perhaps in ``out``."""
        lowest, count = window(y, ladder, self.reach)
        (total,) = sums(lambda z: (self.bell_(z),), self.bell_unit, less(y, lowest), ladder, count)
        return torch.mul(total.mul_(ahead(self.peak * ladder.steepness)), gradient, out=out)

    def climb_with_slope(self, y: Tensor, ladder: Ladder, slope: Tensor, out: Tensor | None = None) -> Tensor:
        """Return `climb` and write its derivative by the argument into ``slope``: cheaper than one after the other."""
        lowest, count = window(y, ladder, self.reach)
        total, density = sums(self.cdf_and_density_, 1.0, less(y, lowest), ladder, count)
        steepness = ahead(self.peak * ladder.steepness)
        if torch.compiler.is_compiling():  # the compiler of PyTorch 2.11 writes into dense tensors in a row only
            slope.copy_(density * steepness)
        else:
            torch.mul(density, steepness, out=slope)
        return height(total, lowest, ladder, out)


class DifferenceFamily(NoiseFamily):
    """A family whose noise is the difference of two independent variables of one distribution.

    (Uniform noise is none: the characteristic function of such a difference is nowhere negative.)
    """

    @abstractmethod
    def half_quantile(self, v: Tensor) -> Tensor:
        """Return what either variable stays below with probability ``(1 + v) / 2``, for ``v`` in (-1, 1)."""


def reachable(ladder: Ladder, reach: float) -> int:
    """Return how many rungs noise can cross from one point, at most."""
    if ladder.most is None:
        return ladder.rungs
    return min(ladder.rungs, max(1, math.ceil(2.0 * reach * ladder.most)))


def window(y: Tensor, ladder: Ladder, reach: float) -> tuple[Scalar, int]:
    """Return the integer part of the lowest rung that is in reach of ``y``, and how many are."""
    count = reachable(ladder, reach)
    if count == ladder.rungs:
        return ladder.origin, count
    lowest = (y - (ladder.shift + 0.5 * count)).ceil_()
    return lowest.clamp_(ladder.origin, ladder.origin + (ladder.rungs - count)), count


def less(y: Tensor, origin: Scalar) -> Tensor:
    """Return ``y - origin``, and ``y`` itself for an origin of 0."""
    return y if not isinstance(origin, Tensor) and origin == 0.0 else y - origin


def height(total: Tensor, lowest: Scalar, ladder: Ladder, out: Tensor | None = None) -> Tensor:
    """Return the value of a ladder from the sum over the rungs in reach, in ``out`` or in the sum's memory."""
    offset = ladder.offset
    if isinstance(lowest, Tensor):
        total.add_(lowest)
        offset -= ladder.gain * ladder.origin
    return raised(total, ladder.gain, offset, out)


def raised(total: Tensor, gain: float, offset: float, out: Tensor | None) -> Tensor:
    """Return ``offset + gain * total``, in ``out`` or in the memory of ``total``."""
    if out is None:
        if gain != 1.0:
            total.mul_(gain)
        return total.add_(offset) if offset else total
    if not offset:
        return total if gain == 1.0 else torch.mul(total, gain, out=out)
    return torch.add(total if gain == 1.0 else total.mul_(gain), offset, out=out)


def sums(
    function: Callable[[Tensor], tuple[Tensor, ...]], unit: float, y: Tensor, ladder: Ladder, count: int
) -> tuple[Tensor, ...]:
    """Return the sums of the results of ``function(unit * (y - shift - j) / scale)`` over ``count`` rungs."""
    # Subtracting before scaling keeps the difference exact near a rung, however small the scale.
    inverse = ahead(unit * ladder.inverse)

    def group(first: int) -> tuple[Tensor, ...]:
        totals = function((y - (ahead(ladder.shift + first) if first else ladder.shift)).mul_(inverse))
        for j in range(first + 1, min(first + _GROUP, count)):
            _add(totals, function((y - ahead(ladder.shift + j)).mul_(inverse)))
        return totals

    totals = group(0)
    for first in range(_GROUP, count, _GROUP):
        _add(totals, group(first))
    return totals


def _add(totals: tuple[Tensor, ...], terms: tuple[Tensor, ...]) -> None:
    for total, term in zip(totals, terms, strict=True):
        total.add_(term)


# Rungs are summed in groups: the rounding errors of one long sum of single precision would exceed a millionth.
_GROUP = 16
