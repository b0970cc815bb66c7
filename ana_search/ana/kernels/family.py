"""The expected level of a stair under noise of any family, and its derivative: sums over the noisy thresholds."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from ana_search.ana.kernels.numbers import NoiseNumbers, Scalar

if TYPE_CHECKING:
    from ana_search.ana.stairs import StairFunction

_GROUP = 16
"""Terms are summed in groups: the rounding errors of one long sum of single precision would exceed a millionth."""

Terms = tuple[Tensor, ...]
"""What is computed of one threshold, and the sums of that."""


class FamilyKernel:
    """Expected levels of one stair under one noise, and their derivatives, from the family's functions.

    A uniform stair is computed in units of the distance between its thresholds, which noise moves to
    ``origin + shift + j``. The origin is an integer, kept apart from the small rest: subtracting both at once from an
    argument of single precision would cost it digits. Any other stair is computed in units of ``x``.

    Functions whose name ends in an underscore may overwrite their argument. A result may lie in ``out``, if given.
    """

    peak: ClassVar[float] = 1.0
    bell_unit: ClassVar[float] = 1.0
    """The density is ``peak * bell(bell_unit * z)``: constants that a sum of densities needs only once."""
    takes_powers: ClassVar[bool] = False
    """Whether the density takes powers, and not just a few products."""

    def __init__(self, stair: "StairFunction", noise: NoiseNumbers) -> None:
        distance, self.jump, self.origin, first = 1.0, 1.0, 0.0, 0.0
        self.offsets: Sequence[float] = range(len(stair.thresholds))
        self.jumps: list[float] | None = None
        if stair.spacing is None:
            self.offsets = stair.scaled_thresholds
            self.jumps = [high - low for low, high in itertools.pairwise(stair.scaled_levels)]
        else:
            distance, self.jump = (each * stair.quantum for each in stair.spacing)
            first = stair.thresholds[0] / stair.spacing[0]
            self.origin = float(round(first))
        self.number, self.lowest, self.family = len(stair.thresholds), stair.scaled_levels[0], noise.family
        self.unit = 1.0 / distance
        self.shift: Scalar = noise.mean * self.unit + (first - self.origin)
        self.scale: Scalar = noise.scale * self.unit
        self.inverse: Scalar = noise.inverse if self.unit == 1.0 else noise.inverse * distance
        self.steepness: Scalar = self.jump * noise.steepness
        """What a density of 1 adds to the derivative by ``x``."""
        self.reachable = self.number
        """How many thresholds noise can cross from one point, at most."""
        if noise.most is not None and self.jumps is None:
            self.reachable = min(self.number, max(1, math.ceil(2.0 * self.family.reach * (noise.most * self.unit))))

    def cdf_(self, z: Tensor) -> Tensor:
        """Return the distribution function."""
        return self.family.cdf(z)

    def bell_(self, z: Tensor) -> Tensor:
        """Return the density in other units, ``pdf(z / bell_unit) / peak``."""
        return self.family.pdf(z)

    def cdf_and_bell_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return `cdf_` and ``pdf / peak``, which may share work."""
        density = self.bell_(z * self.bell_unit)
        return self.cdf_(z), density

    def argument(self, x: Tensor) -> Tensor:
        """Return ``x`` in the units that are computed in."""
        return x if self.unit == 1.0 else x * self.unit

    def level(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Return ``q_0 + sum_k (q_k - q_{k-1}) cdf((x - m - t_k) / scale)``."""
        below, (total,) = self.sums(lambda z: (self.cdf_(z),), 1.0, self.argument(x), self.reachable)
        return self._above(below, total, out)

    def slope_times(self, gradient: Tensor, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Return ``gradient`` times the derivative of `level` by ``x``."""
        _, (total,) = self.sums(lambda z: (self.bell_(z),), self.bell_unit, self.argument(x), self.reachable)
        return torch.mul(total.mul_(self.peak * self.steepness), gradient, out=out)

    def level_and_slope(self, x: Tensor, slope: Tensor, out: Tensor | None = None) -> Tensor:
        """Return `level` and write its derivative by ``x`` into ``slope``: cheaper together."""
        below, (total, density) = self.sums(self.cdf_and_bell_, 1.0, self.argument(x), self.reachable)
        torch.mul(density, self.peak * self.steepness, out=slope)
        return self._above(below, total, out)

    def sums(self, function: Callable[[Tensor], Terms], unit: float, y: Tensor, reachable: int) -> tuple[Scalar, Terms]:
        """Return the sums of ``function(unit * (y - m - t_k) / scale)`` over so many thresholds about ``y``.

        The first result is the number of those below, plus the origin; it depends on ``y`` unless all are summed.
        """
        lowest: Scalar = self.origin
        if reachable < self.number:
            first = (y - (self.shift + 0.5 * reachable)).ceil_()
            lowest = first.clamp_(self.origin, self.origin + (self.number - reachable))
        base, inverse = self.from_origin(y, lowest), unit * self.inverse

        def term(j: int) -> Terms:
            # Subtracting before scaling keeps the difference exact near a threshold, however small the scale.
            terms = function((base - (self.shift + self.offsets[j])).mul_(inverse))
            return terms if self.jumps is None else tuple(each.mul_(self.jumps[j]) for each in terms)

        groups = (range(j, min(j + _GROUP, reachable)) for j in range(0, reachable, _GROUP))
        return lowest, _added(_added(term(j) for j in group) for group in groups)

    @staticmethod
    def from_origin(y: Tensor, origin: Scalar) -> Tensor:
        """Return ``y - origin``, and ``y`` itself for an origin of 0."""
        return y if not isinstance(origin, Tensor) and origin == 0.0 else y - origin

    def _above(self, below: Scalar, total: Tensor, out: Tensor | None) -> Tensor:
        """Return the expected level from what `sums` returns."""
        if not isinstance(below, Tensor):
            return raised(total, self.jump, self.lowest, out)
        return raised(total.add_(below), self.jump, self.lowest - self.jump * self.origin, out)


def raised(total: Tensor, jump: float, offset: float, out: Tensor | None) -> Tensor:
    """Return ``offset + jump * total``, in ``out`` or in the memory of ``total``."""
    if jump != 1.0:
        total.mul_(jump)
    if offset:
        return total.add_(offset) if out is None else torch.add(total, offset, out=out)
    return total


def _added(every: Iterable[Terms]) -> Terms:
    """Return the sums of the terms, in the memory of the first ones."""
    terms = iter(every)
    totals = next(terms)
    for more in terms:
        for total, term in zip(totals, more, strict=True):
            total.add_(term)
    return totals
