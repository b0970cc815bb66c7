"""The kernel of uniform noise: sums of ramps, by whichever form is exact and cheapest."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from ana_search.ana.kernels.blocks import at_least
from ana_search.ana.kernels.family import FamilyKernel
from ana_search.ana.kernels.thresholds import NoisyThresholds, level, raised, reachable, sums

_FEW = 4
"""Up to this many thresholds are summed one by one."""

_HUGE = 1e30
"""Distances are limited to this: infinity times 0 would be NaN."""

_WIDE = 0.25
"""Clipped arguments are summed before they are scaled: on shorter ramps the rounding of the sum would show."""


class UniformKernel(FamilyKernel):
    """Uniform noise."""

    peak = 0.5

    def cdf_(self, z: Tensor) -> Tensor:
        """Return ``clip((z + 1) / 2, 0, 1)``."""
        return z.mul_(0.5).add_(0.5).clamp_(0.0, 1.0)

    def bell_(self, z: Tensor) -> Tensor:
        """Return 1 on [-1, 1) and 0 elsewhere."""
        return at_least(z, -1.0).sub_(at_least(z, 1.0))

    def expected_level(self, y: Tensor, thresholds: NoisyThresholds, out: Tensor | None = None) -> Tensor:
        """Return the sum of ramps."""
        jump, offset, count = thresholds.jump, thresholds.lowest, thresholds.number
        ramps = _ramps(thresholds)
        if ramps is not None and ramps[0][1] - ramps[0][0] >= _WIDE:
            total = torch.clamp(y, *ramps[0], out=out)
            for low, high in ramps[1:]:
                total.add_(y.clamp(low, high))
            jump *= count / sum(high - low for low, high in ramps)
            return raised(total, jump, offset - jump * sum(low for low, _ in ramps), out)
        if count <= _FEW:
            everywhere = thresholds._replace(most=None)
            _, (total,) = sums(lambda z: (z.clamp_(-0.5, 0.5),), 0.5, y, everywhere, self.family.reach)
            return level(total.add_(0.5 * count), thresholds.origin, thresholds, out)
        apart = reachable(thresholds, self.family.reach) == 1
        total = _apart(y, thresholds) if apart else _overlapping(y, thresholds)
        return raised(total, jump, offset - jump * thresholds.origin, out)

    def slope_times(
        self, gradient: Tensor, y: Tensor, thresholds: NoisyThresholds, out: Tensor | None = None
    ) -> Tensor:
        """Return ``gradient`` times the number of thresholds within ``scale`` of ``y``, over ``2 scale``."""
        steepness = 0.5 * thresholds.steepness
        ramps = _ramps(thresholds)
        if ramps is None:
            # The largest integer not above y + scale - shift is the number of thresholds below, plus origin - 1.
            low, high = thresholds.origin - 1.0, thresholds.origin + thresholds.number - 1.0
            begun = (y + (thresholds.scale - thresholds.shift)).floor_().clamp_(low, high)
            ended = (y - (thresholds.scale + thresholds.shift)).floor_().clamp_(low, high)
            return torch.mul(begun.sub_(ended).mul_(steepness), gradient, out=out)
        # Hard tanh has a gradient on an open interval: let it begin one number earlier.
        (start, end), *others = ramps
        total = torch.empty_like(y) if out is None else out
        torch.ops.aten.hardtanh_backward.grad_input(gradient, y, _number_before(start, y.dtype), end, grad_input=total)
        for start, end in others:
            total.add_(torch.ops.aten.hardtanh_backward(gradient, y, _number_before(start, y.dtype), end))
        return total if steepness == 1.0 else total.mul_(steepness)


def _ramps(thresholds: NoisyThresholds) -> list[tuple[float, float]] | None:
    """Return where each ramp begins and ends, if they are few; ramps that touch are one.

    ``None`` if there are many, or their places are not known as numbers.
    """
    shift, scale = thresholds.shift, thresholds.scale
    if isinstance(shift, Tensor) or isinstance(scale, Tensor):
        return None
    first = thresholds.origin + shift
    if scale == 0.5:
        return [(first - 0.5, first + thresholds.number - 0.5)]
    if thresholds.number > _FEW:
        return None
    return [(first + j - scale, first + j + scale) for j in range(thresholds.number)]


def _apart(y: Tensor, thresholds: NoisyThresholds) -> Tensor:
    """Return the sum of ramps that do not overlap, plus the origin: the nearest one, on top of those below."""
    z = (y - thresholds.shift).clamp_(thresholds.origin - 0.5, thresholds.origin + thresholds.number - 0.5)
    nearest = z.round()
    z.sub_(nearest).mul_(0.5 * thresholds.inverse).clamp_(-0.5, 0.5)
    return nearest.add_(z).add_(0.5)


def _overlapping(y: Tensor, thresholds: NoisyThresholds) -> Tensor:
    """Return the sum of any ramps, plus the origin, in closed form.

    It is the mean of ``S``, the number of thresholds reached, over ``y ± scale``. From the ``k``-th threshold, the one
    nearest to ``y``, the integral of ``S - k`` over a distance ``d`` is ``f (d - (f + 1) / 2)`` with ``f = S - k`` at
    its end. Counting from ``k`` keeps all terms small, whatever the number of thresholds.
    """
    origin, shift, count, scale = thresholds.origin, thresholds.shift, thresholds.number, thresholds.scale
    nearest = (y + (1.0 - shift)).round_().clamp_(origin, origin + count)
    least, largest = origin - nearest, (origin + count) - nearest
    distance = (y - nearest).add_(1.0 - shift).clamp_(-_HUGE, _HUGE)

    def integral(d: Tensor) -> Tensor:
        f = torch.floor(d).clamp_(least, largest)
        return d.sub_(f, alpha=0.5).sub_(0.5).mul_(f)

    return integral(distance + scale).sub_(integral(distance - scale)).mul_(0.5 * thresholds.inverse).add_(nearest)


@lru_cache(maxsize=1024)
def _number_before(value: float, dtype: torch.dtype) -> float:
    """Return the largest number of this dtype below ``value`` rounded to it."""
    number = torch.tensor(value, dtype=dtype)
    return float(torch.nextafter(number, torch.full_like(number, -math.inf)))
