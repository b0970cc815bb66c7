"""Many thresholds as one multiplication and one addition: ``levels[0] + floor(factor * a + offset)``, clipped.

The thresholds of a batch norm and a stair with even steps lie on a line, up to the rounding of the trained network,
which moves a few of them by one accumulator. So a line is looked for that leaves all thresholds of a channel the most
room; the accumulators that it counts wrong, by one, are named and corrected. The result is checked on both sides of
every threshold in the arithmetic that will compute it: ``float64`` with room for other orders of rounding, or integers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ana_search.export.formats.requantise import Integers, Reals, widest_window

__all__ = ["IntegerLine", "Line", "find_line", "integer_line"]

_MARGIN = 2.0**-40
_CORRECTIONS = 4
_NUDGES = (0.0, 2.0**-10, -(2.0**-10), 2.0**-6, -(2.0**-6))
_SHIFTS = range(60, 7, -1)


@dataclass(frozen=True)
class Line:
    """``floor(factor * a + offset)``, plus 1 where ``a`` is one of ``raised``, minus 1 where one of ``lowered``.

    ``factor`` and ``offset`` are float64 [C]; ``raised`` and ``lowered`` int64 [C, K], filled up with an accumulator
    that no channel has.
    """

    factor: Reals
    offset: Reals
    raised: Integers
    lowered: Integers


@dataclass(frozen=True)
class IntegerLine:
    """``(factor * a + offset) >> shift`` in 64 bits, corrected as a `Line`; ``factor`` below 2**31, int64 [C] both."""

    factor: Integers
    offset: Integers
    shift: int
    raised: Integers
    lowered: Integers


def find_line(thresholds: Integers, levels: Integers, low: Integers, high: Integers) -> Line | None:
    """Return the line that is exact for all accumulators ``low[c]`` ... ``high[c]``; None where none is.

    ``thresholds`` is [C, n], ascending; ``levels`` [n + 1] must be consecutive integers.
    """
    if not np.array_equal(levels, levels[0] + np.arange(len(levels))):
        return None
    half = np.arange(1, thresholds.shape[1] + 1) - 0.5
    inverse, below, above = widest_window(thresholds, half, low, high, 1)
    centre = np.where(np.isinf(below), above - 1, np.where(np.isinf(above), below + 1, (below + above) / 2))
    # Where no line fits, the best one touches accumulators, and rounding would decide: it is moved off them.
    nudged = (np.where(below < above, centre, centre + nudge) for nudge in _NUDGES)
    return next(filter(None, (_corrected(thresholds, half, inverse, each, low, high) for each in nudged)), None)


def _corrected(
    thresholds: Integers, half: Reals, inverse: Reals, centre: Reals, low: Integers, high: Integers
) -> Line | None:
    """Return one line with the corrections that it needs; None where these are too many or too large."""
    ends = low[:, None], high[:, None] + 1
    reached = np.ceil(half * inverse[:, None] - centre[:, None]).clip(*ends).astype(np.int64)
    wrong = thresholds.clip(*ends) - reached
    if np.abs(wrong).max(initial=0) > 1:
        return None
    never = int(high.max(initial=0)) + 1
    raised, lowered = _listed(reached - 1, wrong < 0, never), _listed(reached, wrong > 0, never)
    if raised.shape[1] + lowered.shape[1] > _CORRECTIONS:
        return None
    line = Line(1 / inverse, centre / inverse + 0.5, raised, lowered)
    points = _points(thresholds, low, high)
    scaled = points * line.factor[:, None]
    total = scaled + line.offset[:, None]
    room = _MARGIN * np.maximum(1, np.maximum(np.abs(scaled), np.abs(total)))
    return line if _is_exact(total, room, line, points, thresholds) else None


def integer_line(line: Line, thresholds: Integers, low: Integers, high: Integers) -> IntegerLine | None:
    """Return a line in integers; None where they are not exact."""
    reach = np.maximum(np.abs(low), np.abs(high))
    largest = float((np.abs(line.offset) + line.factor * reach).max())
    shift = next((s for s in _SHIFTS if line.factor.max() * 2.0**s < 2**31 and largest * 2.0**s < 2**61), None)
    if shift is None:
        return None
    factor, offset = (np.rint(each * 2.0**shift).astype(np.int64) for each in (line.factor, line.offset))
    points = _points(thresholds, low, high)
    total = ((factor[:, None] * points + offset[:, None]) >> shift).astype(np.float64)
    if not _is_exact(total, np.zeros_like(total), line, points, thresholds):
        return None
    return IntegerLine(factor, offset, shift, line.raised, line.lowered)


def _listed(values: Integers, chosen: NDArray[np.bool_], never: int) -> Integers:
    """Return the chosen values of every row, side by side, filled up with ``never``."""
    width = int(chosen.sum(axis=1).max(initial=0))
    listed = np.full((len(values), width), never, dtype=np.int64)
    for row, (each, which) in enumerate(zip(values, chosen, strict=True)):
        listed[row, : which.sum()] = each[which]
    return listed


def _points(thresholds: Integers, low: Integers, high: Integers) -> Integers:
    """Return both sides of every threshold, twice as far, and both ends [C, 4 n + 2].

    A rising function is right everywhere if it is right there; so is one that is corrected beside a threshold.
    """
    ends = np.stack([low, high], axis=1)
    beside = [thresholds + step for step in (-2, -1, 0, 1)]
    points: Integers = np.concatenate([*beside, ends], axis=1).clip(low[:, None], high[:, None])
    return points


def _is_exact(total: Reals, room: Reals, line: Line, points: Integers, thresholds: Integers) -> bool:
    """Return whether values count the thresholds, with ``room`` to the whole numbers between which they lie."""
    count = thresholds.shape[1]
    wanted = np.stack([np.searchsorted(t, p, side="right") for t, p in zip(thresholds, points, strict=True)])
    nearest = np.rint(total)
    near = (np.abs(total - nearest) < room) & (nearest >= 1) & (nearest <= count)
    found = np.floor(total).clip(0, count)
    for values, step in ((line.raised, 1), (line.lowered, -1)):
        found = found + step * (points[:, :, None] == values[:, None, :]).sum(axis=2)
    return bool(np.array_equal(found, wanted) and not near.any())
