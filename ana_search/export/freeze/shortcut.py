"""Residual additions in integers: ``stair(f(accumulator) + scale * code)`` with the code of a shortcut.

On the grid of the stair's thresholds, ``f(a) + scale * s >= t_k`` is ``f(a) >= t_k - scale * s``, which is another
threshold of the same grid wherever ``scale`` is a whole number of the stair's steps. So ``f(a)`` is cut by one long
stair into an integer, the shortcut is added, and the sum is cut again: with consecutive levels, clipped.

The network computes the sum in floating point, and where ``f(a)`` is just below a threshold, the sum may be rounded
up on to it: one accumulator then counts as if it were the next, for some sums and not for others. All such
accumulators are found by evaluating the trained modules next to every threshold for every code of the shortcut, and
corrected: there are none with few levels and a handful in a network of 8 bits.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ana_search.ana import StairFunction
from ana_search.export.freeze.scaled import ScaledStair
from ana_search.export.freeze.thresholds import decreasing_channels, find_thresholds
from ana_search.export.freeze.values import Codes, Pending

__all__ = ["Correction", "LongStair", "long_stair"]

SideFunction = Callable[[Tensor, Tensor], Tensor]
"""The codes (int64 [C, P]) that the trained modules give for accumulators and the shortcut's codes (int64 [C, P])."""


_AT_ONCE = 2**20


@dataclass(frozen=True)
class Correction:
    """Accumulators that count as the next one up where the sum is one of some integers.

    ``at`` is int64 [C, K]: these accumulators of each channel, ascending, then values that none reaches. The
    sums are those that have passed one more of ``rising`` than of ``falling``.
    """

    at: Tensor
    rising: tuple[int, ...]
    falling: tuple[int, ...]


@dataclass(frozen=True)
class LongStair:
    """``levels[reached(accumulator)] + factor * shortcut``, corrected, then cut at ``cuts`` into the stair's levels.

    ``thresholds`` is int64 [C, n], for accumulators negated where ``decreasing``; ``cuts`` is int64 [levels - 1].
    """

    thresholds: Tensor
    levels: Tensor
    decreasing: Tensor
    factor: int
    cuts: Tensor
    corrections: tuple[Correction, ...]


def long_stair(pending: Pending, side: Codes, scaled: ScaledStair, code_of: SideFunction) -> LongStair | None:
    """Return the long stair of a sum with a shortcut; None where the grids do not match or rounding goes further."""
    stair = scaled.stair
    factor = side.scale / scaled.quantum
    first = stair.thresholds[0]
    offsets = [threshold - first for threshold in stair.thresholds]
    whole = factor == int(factor) and all(offset == int(offset) for offset in offsets)
    if not whole or pending.side_at != len(pending.functions):
        return None
    unit = int(stair.levels[1])
    cuts = torch.tensor([unit + int(offset) for offset in offsets])
    steps = range(-int(factor) * side.high, int(offsets[-1]) - int(factor) * side.low + 1)
    values = [unit + step for step in (steps.start - 1, *steps)]
    long = scaled.with_stair(StairFunction(values, [first + step for step in steps], stair.quantum))

    def value_of(accumulators: Tensor) -> Tensor:
        return long.codes(pending.evaluate(accumulators))

    levels = torch.tensor(values)
    decreasing = decreasing_channels(value_of, pending.low, pending.high)
    found = find_thresholds(value_of, levels, pending.low, pending.high, decreasing)
    stairs = LongStair(found, levels, decreasing, int(factor), cuts, ())
    corrections = _corrections(pending, side, stair, code_of, stairs)
    if corrections is None:
        return None
    return LongStair(found, levels, decreasing, int(factor), cuts, corrections)


def _corrections(
    pending: Pending, side: Codes, stair: StairFunction, code_of: SideFunction, long: LongStair
) -> tuple[Correction, ...] | None:
    """Return what rounding changes; None where an accumulator further from its threshold is rounded up too."""
    sign = torch.where(long.decreasing, -1, 1).unsqueeze(1)
    least = torch.where(long.decreasing, -pending.high, pending.low).unsqueeze(1)
    greatest = torch.where(long.decreasing, -pending.low, pending.high).unsqueeze(1)
    wanted = torch.tensor(stair.levels, dtype=torch.int64)[1:]
    rounded: dict[tuple[int, int], tuple[set[int], set[int]]] = {}
    looked: list[tuple[Tensor, Tensor]] = []
    count = max(1, _AT_ONCE // (len(least) * len(wanted)))
    for codes in torch.split(torch.arange(side.low, side.high + 1), count):
        # The step of the long stair that stands for each threshold of the stair: one row a code.
        columns = long.cuts - long.factor * codes.unsqueeze(1) - int(long.levels[1])
        at = long.thresholds[:, columns.flatten()]
        sides = codes.repeat_interleave(len(wanted)).expand(len(least), -1)
        wanted_levels = wanted.repeat(len(codes))

        def reaches(accumulators: Tensor, sides: Tensor = sides, wanted: Tensor = wanted_levels) -> Tensor:
            inside = (accumulators >= least) & (accumulators <= greatest)
            return inside & (code_of(sign * accumulators.clamp(least, greatest), sides) >= wanted)

        if bool((~reaches(at) & (at <= greatest)).any()) or bool(reaches(at - 2).any()):
            return None
        up = reaches(at - 1)
        looked += zip(columns, torch.split(up, len(wanted), dim=1), strict=True)
        for channel, position in up.nonzero().tolist():
            rounded.setdefault((channel, int(columns.flatten()[position])), (set(), set()))
    if not rounded:
        return ()
    for columns, up in looked:
        position = {int(column): threshold for threshold, column in enumerate(columns.tolist())}
        for (channel, column), (yes, no) in rounded.items():
            if column in position:
                threshold = position[column]
                (yes if bool(up[channel, threshold]) else no).add(int(long.cuts[threshold]) - 1)
    return tuple(_group(rounded, long, greatest))


def _group(
    rounded: dict[tuple[int, int], tuple[set[int], set[int]]], long: LongStair, greatest: Tensor
) -> list[Correction]:
    """Collect accumulators that are rounded up at the same sums."""
    groups: list[tuple[set[int], set[int], list[tuple[int, int]]]] = []
    for key, (yes, no) in rounded.items():
        for group in groups:
            if not (yes & group[1]) and not (no & group[0]):
                group[0].update(yes)
                group[1].update(no)
                group[2].append(key)
                break
        else:
            groups.append((set(yes), set(no), [key]))
    corrections = []
    for yes, no, keys in groups:
        by_channel: dict[int, list[int]] = {}
        for channel, column in keys:
            by_channel.setdefault(channel, []).append(int(long.thresholds[channel, column]) - 1)
        width = max(len(found) for found in by_channel.values())
        at = (greatest + 1).repeat(1, width)
        for channel, found in by_channel.items():
            at[channel, : len(found)] = torch.tensor(sorted(found))
        corrections.append(Correction(at, *_jumps(yes, no)))
    return corrections


def _jumps(yes: set[int], no: set[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return where a function that is 1 on ``yes`` and 0 on ``no`` rises and falls; it starts at 0."""
    rising: list[int] = []
    falling: list[int] = []
    now = False
    for value in sorted(yes | no):
        if (value in yes) != now:
            now = value in yes
            (rising if now else falling).append(value)
    return tuple(rising), tuple(falling)
