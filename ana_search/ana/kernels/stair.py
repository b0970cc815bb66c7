"""The exact stair: with a floor where its thresholds are evenly spaced, else by comparisons or a search."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ana_search.ana.kernels.blocks import at_least, blockwise, in_working_precision

if TYPE_CHECKING:
    from ana_search.ana.stairs import StairFunction

_FEWER_THAN_A_SEARCH = 8
"""Up to this many thresholds are compared with one by one, where else a search would have to do."""


def exact(x: Tensor, stair: "StairFunction") -> Tensor:
    """Return the level of every element of ``x``: same shape, dtype and memory format, NaN staying NaN."""
    return blockwise(lambda part, _other, _block: exact_block(part, stair), x)


def exact_block(x: Tensor, stair: "StairFunction") -> Tensor:
    """Return the level of every element of one block, in the precision that it is computed in."""
    x = in_working_precision(x)
    if stair.grid is None:
        return level_of(x, stair.scaled_thresholds, stair.scaled_levels)
    return stair.grid.level(stair.grid.passed(x).clamp_(0.0, float(len(stair.thresholds))))


class Grid(NamedTuple):
    """A uniform stair in a form that a floor evaluates exactly, NaN staying NaN."""

    quantum: float
    origin: float
    """What the floor of ``x / quantum`` (plus 1/2, for half-integers) is below the first threshold."""
    halves: bool
    jump: float
    lowest: float

    def passed(self, x: Tensor) -> Tensor:
        """Return how many thresholds ``x`` has reached, were there any number of them on both sides."""
        scaled = x if self.quantum == 1.0 else x * (1.0 / self.quantum)
        floor = torch.floor(scaled)
        if self.halves:
            # The difference is exact. Adding 1/2 before taking the floor would not be: 0.49999997 + 0.5 is 1.
            floor.add_(at_least(scaled - floor, 0.5))
        return floor if self.origin == 0.0 else floor.sub_(self.origin)

    def nearest(self, x: Tensor, thresholds: int) -> Tensor:
        """Return the level of ``x``, in its memory, for an ``x`` that chance does not put on a threshold.

        Between half-integers rounding is cheaper than `passed`; a number on one of them goes to the even side.
        """
        if not self.halves:
            return self.level(self.passed(x).clamp_(0.0, float(thresholds)))
        if self.quantum != 1.0:
            x.mul_(1.0 / self.quantum)
        rounded = x.round_().clamp_(self.origin, self.origin + thresholds)
        if self.jump != 1.0:
            rounded.mul_(self.jump)
        above = self.lowest - self.origin * self.jump
        return rounded.add_(above) if above else rounded

    def level(self, count: Tensor) -> Tensor:
        """Return the level above ``count`` thresholds, in its memory."""
        if self.jump != 1.0:
            count.mul_(self.jump)
        return count.add_(self.lowest) if self.lowest else count


def make_grid(spacing: tuple[float, float] | None, first: float, lowest: float, quantum: float) -> Grid | None:
    """Return the grid of a stair whose first threshold and lowest level, in quanta, are ``first`` and ``lowest``.

    ``None`` unless the quantum is a power of two and the thresholds are one apart, all at half-integers or all at
    integers: nothing else is exact.
    """
    if spacing is None or spacing[0] != 1.0 or math.frexp(quantum)[0] != 0.5 or not 2.0**-30 <= quantum <= 2.0**30:
        return None
    if first % 0.5 != 0.0 or any(v * 256.0 % 1.0 != 0.0 or abs(v) > 1024.0 for v in (first, lowest, spacing[1])):
        return None
    halves = first % 1.0 == 0.5
    return Grid(quantum, first - (0.5 if halves else 1.0), halves, spacing[1] * quantum, lowest * quantum)


def level_of(x: Tensor, thresholds: Sequence[float] | Tensor, levels: Sequence[float]) -> Tensor:
    """Return ``levels[k]`` where ``x`` has reached ``k`` of the (non-decreasing) thresholds; NaN stays NaN."""
    if len(thresholds) > _FEWER_THAN_A_SEARCH:
        edges = thresholds.to(x.dtype) if isinstance(thresholds, Tensor) else x.new_tensor(thresholds)
        y = x.new_tensor(levels)[torch.bucketize(x, edges, right=True)]
        return torch.where(torch.isnan(x), x, y)
    y = x.clamp(levels[0], levels[0])  # a clamp keeps NaN
    for k, threshold in enumerate(thresholds):
        y = torch.where(x >= threshold, levels[k + 1], y)
    return y
