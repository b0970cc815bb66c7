"""Uniform noise: the ramp, whose straight-through estimator is the clipped one (hard tanh)."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from ana_search.ana.elementwise import reached
from ana_search.ana.noise.base import Ladder, NoiseFamily, height, less, raised, reachable, sums

__all__ = ["Uniform"]


class Uniform(NoiseFamily):
    """Uniform on [-1, 1)."""

    name = "uniform"
    interval = 1.0
    deviation = 1.0 / math.sqrt(3.0)
    reach = 1.0
    peak = 0.5
    flat = True

    def cdf_(self, z: Tensor) -> Tensor:
        """Return ``clip((z + 1) / 2, 0, 1)``."""
        return z.mul_(0.5).add_(0.5).clamp_(0.0, 1.0)

    def bell_(self, z: Tensor) -> Tensor:
        """Return 1 on [-1, 1) and 0 elsewhere: ramps that touch leave no gap between them."""
        return reached(z, -1.0).sub_(reached(z, 1.0))

    def quantile_(self, v: Tensor) -> Tensor:
        """Return ``v``."""
        return v

    def probability(self, z: float) -> float:
        """Return `cdf` of one number."""
        return min(max(0.5 * z + 0.5, 0.0), 1.0)

    def climb(self, y: Tensor, ladder: Ladder, out: Tensor | None = None) -> Tensor:
        """Return the sum of ramps, by whichever form is exact and cheapest."""
        gain, offset = ladder.gain, ladder.offset
        ramps = _ramps(ladder)
        if ramps is not None and ramps[0][1] - ramps[0][0] >= _WIDE:
            total = torch.clamp(y, *ramps[0], out=out)
            for low, high in ramps[1:]:
                total.add_(y.clamp(low, high))
            gain *= ladder.rungs / sum(high - low for low, high in ramps)
            offset -= gain * sum(low for low, _ in ramps)
        elif ladder.rungs <= _FEW:
            base = less(y, ladder.origin)
            (total,) = sums(lambda z: (z.clamp_(-0.5, 0.5),), 0.5, base, ladder, ladder.rungs)
            return height(total.add_(0.5 * ladder.rungs), ladder.origin, ladder, out)
        else:
            few = reachable(ladder, self.reach) == 1
            total = _apart(y, ladder) if few else _overlapping(y, ladder)
            offset -= gain * ladder.origin
        return raised(total, gain, offset, out)

    def climb_backward(self, gradient: Tensor, y: Tensor, ladder: Ladder, out: Tensor | None = None) -> Tensor:
        """Return ``gradient`` times the number of rungs within ``scale`` of ``y``, over ``2 scale``."""
        origin, shift, rungs, scale = ladder.origin, ladder.shift, ladder.rungs, ladder.scale
        steepness = 0.5 * ladder.steepness
        if torch.compiler.is_compiling() and rungs <= _FEW:
            base = less(y, origin)
            over = [reached(base, shift + j - scale) - reached(base, shift + j + scale) for j in range(rungs)]
            return sum(over[1:], over[0]) * gradient * steepness
        ramps = _ramps(ladder)
        if ramps is None:
            # The largest integer not above y + scale - shift is the number of rungs below, plus origin - 1.
            low, high = origin - 1.0, origin + rungs - 1.0
            ahead = (y + (scale - shift)).floor_().clamp_(low, high)
            behind = (y - (scale + shift)).floor_().clamp_(low, high)
            return torch.mul(ahead.sub_(behind).mul_(steepness), gradient, out=out)
        # Hard tanh has a gradient on an open interval: let it begin one number earlier.
        (start, end), *others = ramps
        total = torch.empty_like(y) if out is None else out
        _within(gradient, y, _before(start, y.dtype), end, grad_input=total)
        for start, end in others:
            total.add_(torch.ops.aten.hardtanh_backward(gradient, y, _before(start, y.dtype), end))
        return total if steepness == 1.0 else total.mul_(steepness)


_within = torch.ops.aten.hardtanh_backward.grad_input


def _ramps(ladder: Ladder) -> list[tuple[float, float]] | None:
    """Return where each ramp begins and ends, if they are few; ramps that touch are one.

    ``None`` if there are many, or their places are not known as numbers. Compiled code gains nothing by them.
    """
    shift, scale = ladder.shift, ladder.scale
    if isinstance(shift, Tensor) or isinstance(scale, Tensor) or torch.compiler.is_compiling():
        return None
    first = ladder.origin + shift
    if scale == 0.5:
        return [(first - 0.5, first + ladder.rungs - 0.5)]
    if ladder.rungs > _FEW:
        return None
    return [(first + j - scale, first + j + scale) for j in range(ladder.rungs)]


# Up to this many rungs are summed one by one.
_FEW = 4

# Infinity times 0 would be NaN.
_HUGE = 1e30

# Clipped arguments are summed before they are scaled: on shorter ramps the rounding of the sum would show.
_WIDE = 0.25


def _apart(y: Tensor, ladder: Ladder) -> Tensor:
    """Return the sum of ramps that do not overlap, plus the origin: the nearest one, on top of those below."""
    z = (y - ladder.shift).clamp_(ladder.origin - 0.5, ladder.origin + ladder.rungs - 0.5)
    nearest = z.round()
    z.sub_(nearest).mul_(0.5 * ladder.inverse).clamp_(-0.5, 0.5)
    return nearest.add_(z).add_(0.5)


def _overlapping(y: Tensor, ladder: Ladder) -> Tensor:
    """Return the sum of any ramps, plus the origin, in closed form.

    It is the mean of ``S``, the number of rungs reached, over ``y ± scale``. From the ``k``-th rung, the one
    nearest to ``y``, the integral of ``S - k`` over a distance ``d`` is ``f (d - (f + 1) / 2)`` with
    ``f = S - k`` at its end. Counting from ``k`` keeps all terms small, whatever the number of rungs.
    """
    origin, shift, rungs, scale = ladder.origin, ladder.shift, ladder.rungs, ladder.scale
    nearest = (y + (1.0 - shift)).round_().clamp_(origin, origin + rungs)
    least, largest = origin - nearest, (origin + rungs) - nearest
    distance = (y - nearest).add_(1.0 - shift).clamp_(-_HUGE, _HUGE)

    def integral(d: Tensor) -> Tensor:
        f = torch.floor(d).clamp_(least, largest)
        return d.sub_(f, alpha=0.5).sub_(0.5).mul_(f)

    return integral(distance + scale).sub_(integral(distance - scale)).mul_(0.5 * ladder.inverse).add_(nearest)


@lru_cache(maxsize=1024)
def _before(value: float, dtype: torch.dtype) -> float:
    """Return the largest number of this dtype below ``value`` rounded to it."""
    number = torch.tensor(value, dtype=dtype)
    return float(torch.nextafter(number, torch.full_like(number, -math.inf)))
