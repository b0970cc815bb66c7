"""The kernel of uniform noise: sums of ramps, by whichever form is exact and cheapest."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from ana_search.ana.kernels.blocks import at_least
from ana_search.ana.kernels.family import FamilyKernel, raised

_FEW = 4
"""Up to this many thresholds are summed one by one."""

_HUGE = 1e30
"""Distances are limited to this: infinity times 0 would be NaN."""

_WIDE = 0.25
"""Clipped arguments are summed before they are scaled: on shorter ramps the rounding of the sum would show."""

_backward_of_hardtanh = torch.ops.aten.hardtanh_backward


class UniformKernel(FamilyKernel):
    """Uniform noise."""

    peak = 0.5

    def cdf_(self, z: Tensor) -> Tensor:
        """Return ``clip((z + 1) / 2, 0, 1)``."""
        return z.mul_(0.5).add_(0.5).clamp_(0.0, 1.0)

    def bell_(self, z: Tensor) -> Tensor:
        """Return 1 on [-1, 1) and 0 elsewhere."""
        return at_least(z, -1.0).sub_(at_least(z, 1.0))

    def level(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Return the sum of ramps."""
        if self.jumps is not None:
            return super().level(x, out)
        y, ramps, jump = self.argument(x), self._ramps(), self.jump
        if ramps is not None and ramps[0][1] - ramps[0][0] >= _WIDE:
            total = torch.clamp(y, *ramps[0], out=out)
            for low, high in ramps[1:]:
                total.add_(y.clamp(low, high))
            jump *= self.number / sum(high - low for low, high in ramps)
            return raised(total, jump, self.lowest - jump * sum(low for low, _ in ramps), out)
        if self.number <= _FEW:
            _, (total,) = self.sums(lambda z: (z.clamp_(-0.5, 0.5),), 0.5, y, self.number)
            return raised(total.add_(0.5 * self.number), jump, self.lowest, out)
        total = self._apart(y) if self.reachable == 1 else self._overlapping(y)
        return raised(total, jump, self.lowest - jump * self.origin, out)

    def slope_times(self, gradient: Tensor, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Return ``gradient`` times the number of thresholds within ``scale`` of ``x``, over ``2 scale``."""
        if self.jumps is not None:
            return super().slope_times(gradient, x, out)
        y, ramps, steepness = self.argument(x), self._ramps(), self.peak * self.steepness
        if ramps is None:
            # The largest integer not above y + scale - shift is the number of thresholds below, plus origin - 1.
            low, high = self.origin - 1.0, self.origin + self.number - 1.0
            begun = (y + (self.scale - self.shift)).floor_().clamp_(low, high)
            ended = (y - (self.scale + self.shift)).floor_().clamp_(low, high)
            return torch.mul(begun.sub_(ended).mul_(steepness), gradient, out=out)
        # Hard tanh has a gradient on an open interval: let it begin one number earlier.
        (start, end), *others = ((_number_before(low, y.dtype), high) for low, high in ramps)
        total = torch.empty_like(y) if out is None else out
        _backward_of_hardtanh.grad_input(gradient, y, start, end, grad_input=total)
        for start, end in others:
            total.add_(_backward_of_hardtanh(gradient, y, start, end))
        return total if steepness == 1.0 else total.mul_(steepness)

    def _ramps(self) -> list[tuple[float, float]] | None:
        """Return where each ramp begins and ends, if they are few; ramps that touch are one.

        ``None`` if there are many, or their places are not known as numbers.
        """
        shift, scale, number = self.shift, self.scale, self.number
        if isinstance(shift, Tensor) or isinstance(scale, Tensor):
            return None
        first = self.origin + shift
        if scale == 0.5:
            return [(first - 0.5, first + number - 0.5)]
        return [(first + j - scale, first + j + scale) for j in range(number)] if number <= _FEW else None

    def _apart(self, y: Tensor) -> Tensor:
        """Return the sum of ramps that do not overlap, plus the origin: the nearest one, on top of those below."""
        z = (y - self.shift).clamp_(self.origin - 0.5, self.origin + self.number - 0.5)
        nearest = z.round()
        z.sub_(nearest).mul_(0.5 * self.inverse).clamp_(-0.5, 0.5)
        return nearest.add_(z).add_(0.5)

    def _overlapping(self, y: Tensor) -> Tensor:
        """Return the sum of any ramps, plus the origin, in closed form.

        It is the mean of ``S``, the number of thresholds reached, over ``y ± scale``. From the ``k``-th threshold, the
        one nearest to ``y``, the integral of ``S - k`` over a distance ``d`` is ``f (d - (f + 1) / 2)`` with
        ``f = S - k`` at its end. Counting from ``k`` keeps all terms small, whatever the number of thresholds.
        """
        origin, above = self.origin, 1.0 - self.shift
        nearest = (y + above).round_().clamp_(origin, origin + self.number)
        least, largest = origin - nearest, (origin + self.number) - nearest
        distance = (y - nearest).add_(above).clamp_(-_HUGE, _HUGE)

        def integral(d: Tensor) -> Tensor:
            f = torch.floor(d).clamp_(least, largest)
            return d.sub_(f, alpha=0.5).sub_(0.5).mul_(f)

        both = integral(distance + self.scale).sub_(integral(distance - self.scale))
        return both.mul_(0.5 * self.inverse).add_(nearest)


@lru_cache(maxsize=1024)
def _number_before(value: float, dtype: torch.dtype) -> float:
    """Return the largest number of this dtype below ``value`` rounded to it."""
    number = torch.tensor(value, dtype=dtype)
    return float(torch.nextafter(number, torch.full_like(number, -math.inf)))
