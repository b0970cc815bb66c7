"""Residual additions in integers: ``stair(f(accumulator) + scale * code)`` with the code of a shortcut.

On the grid of the stair's thresholds, ``f(a) + scale * s >= t_k`` is ``f(a) >= t_k - scale * s``, which is another
threshold of the same grid wherever ``scale`` is a whole number of the stair's steps. So ``f(a)`` is cut by one long stair into an
integer, the shortcut is added, and the sum is cut again: with consecutive levels, clipped. In floating point the sum
is rounded, so that the two can differ next to a threshold; whether they do is found by evaluating the trained modules on both
sides of every threshold, for every code of the shortcut.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ana_search.ana import StairFunction
from ana_search.export.thresholds import decreasing_channels, find_thresholds
from ana_search.export.values import Pending

__all__ = ["LongStair", "long_stair", "side_table"]

SideFunction = Callable[[Tensor, Tensor], Tensor]
"""The codes (int64 [C, P]) that the trained modules give for accumulators and the shortcut's codes (int64 [C, P])."""


@dataclass(frozen=True)
class LongStair:
    """``levels[reached(accumulator)] + factor * shortcut``, then cut at the integers ``cuts`` into the stair's levels.

    ``thresholds`` is int64 [C, n], for accumulators negated where ``decreasing``; ``cuts`` is int64 [number of levels - 1].
    ``wrong`` counts the (channel, threshold, code) at which this is not what the trained modules compute.
    """

    thresholds: Tensor
    levels: Tensor
    decreasing: Tensor
    factor: int
    cuts: Tensor
    wrong: int


def long_stair(pending: Pending, stair: StairFunction, code_of: SideFunction) -> LongStair | None:
    """Return the long stair of a sum with a shortcut, or None where the grids do not match."""
    side = pending.side
    assert side is not None
    factor = side.scale / stair.quantum
    first = stair.thresholds[0]
    offsets = [threshold - first for threshold in stair.thresholds]
    whole = factor == int(factor) and all(offset == int(offset) for offset in offsets)
    if not whole or pending.side_at != len(pending.functions):
        return None
    unit = int(stair.levels[1])
    cuts = torch.tensor([unit + int(offset) for offset in offsets])
    steps = range(-int(factor) * side.high, int(offsets[-1]) - int(factor) * side.low + 1)
    values = [unit + step for step in (steps.start - 1, *steps)]
    long = StairFunction(values, [first + step for step in steps], stair.quantum)

    def value_of(accumulators: Tensor) -> Tensor:
        return (long(pending.evaluate(accumulators)) / long.quantum).round().to(torch.int64)

    levels = torch.tensor(values)
    decreasing = decreasing_channels(value_of, pending.low, pending.high)
    found = find_thresholds(value_of, levels, pending.low, pending.high, decreasing)
    wrong = _wrong(pending, stair, code_of, found, decreasing, int(factor), steps.start)
    return LongStair(found, levels, decreasing, int(factor), cuts, wrong)


def _wrong(
    pending: Pending,
    stair: StairFunction,
    code_of: SideFunction,
    thresholds: Tensor,
    decreasing: Tensor,
    factor: int,
    first_step: int,
) -> int:
    side = pending.side
    assert side is not None
    sign = torch.where(decreasing, -1, 1).unsqueeze(1)
    least = torch.where(decreasing, -pending.high, pending.low).unsqueeze(1)
    greatest = torch.where(decreasing, -pending.low, pending.high).unsqueeze(1)
    wrong = 0
    for code in range(side.low, side.high + 1):
        columns = [int(t - stair.thresholds[0]) - factor * code - first_step for t in stair.thresholds]
        at = thresholds[:, columns]
        codes = torch.full_like(at, code)
        wanted = torch.tensor(stair.levels, dtype=torch.int64)[1:]
        reached = code_of(sign * at.clamp(least, greatest), codes) >= wanted
        before = code_of(sign * (at - 1).clamp(least, greatest), codes) < wanted
        wrong += int((~reached & (at <= greatest)).sum() + (~before & (at > least)).sum())
    return wrong


def side_table(pending: Pending, code_of: SideFunction, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the thresholds for every code of the shortcut, int64 [C, S, n], and the decreasing channels, bool [C]."""
    side = pending.side
    assert side is not None
    channels, codes = len(pending.low), side.high - side.low + 1
    every = torch.arange(side.low, side.high + 1)

    def code_of_row(accumulators: Tensor) -> Tensor:
        """Codes of accumulators [C * S, P], where row c * S + s has the shortcut's code number s."""
        width = accumulators.shape[1]
        sides = every.repeat_interleave(width).expand(channels, -1)
        return code_of(accumulators.reshape(channels, -1), sides).reshape(channels * codes, width)

    low, high = (each.repeat_interleave(codes) for each in (pending.low, pending.high))
    decreasing = decreasing_channels(code_of_row, low, high).reshape(channels, codes).any(dim=1)
    found = find_thresholds(code_of_row, levels, low, high, decreasing.repeat_interleave(codes))
    return found.reshape(channels, codes, len(levels) - 1), decreasing
