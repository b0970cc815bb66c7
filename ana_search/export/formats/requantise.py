"""Thresholds as one multiplication: the parameters with which ``QLinearConv`` computes a layer exactly.

``QLinearConv`` returns ``saturate(rint(float32(accumulator + bias) * multiplier) + zero_point)``, with ``rint`` to
even and in ``float32``. For a channel with thresholds ``t`` on its accumulator ``a`` this must give ``u`` (the code
counted from the lowest level) on the whole range of ``a``, which pins a line between two staircases:

    (u - 1/2) / multiplier - spread * t_u  <  bias  <  (u - 1/2) / multiplier - spread * (t_u - 1)

for every u, where the weights (and so ``a``) are multiplied by the integer ``spread`` to give ``bias`` a finer
grid. The width of that window is concave in ``1 / multiplier``; we look for its greatest value, try the integers near
the middle of the window as the bias, take the one that leaves ``1 / multiplier`` the most room, and check the result
in ``float32`` on both sides of every threshold and at both ends of the range. The function is monotonic in ``a``, so
this checks all accumulators. For three levels a spread of 2 always suffices.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Integers", "Reals", "Requantisation", "fit", "widest_window"]

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

_SEARCH_STEPS = 120
_MARGIN = 2.0**-20
_INT32 = 2**31 - 1
_BIASES = 8
_BYTE = 255


@dataclass(frozen=True)
class Requantisation:
    """What ``QLinearConv`` needs: ``spread`` multiplies the weights; ``multiplier`` float32 [C]; ``bias`` int32 [C]."""

    spread: int
    multiplier: NDArray[np.float32]
    bias: NDArray[np.int32]


def fit(
    thresholds: Integers, levels: Integers, low: Integers, high: Integers, spreads: list[int]
) -> Requantisation | None:
    """Return exact parameters for all channels with the first of ``spreads`` that has them, or None.

    ``thresholds`` is [C, n], ascending; ``levels`` [n + 1], ascending; the accumulators of channel c are the integers
    ``low[c]`` ... ``high[c]``. The zero point is assumed to be ``-levels[0]`` if that is positive, else 0.
    """
    unit = _unit_thresholds(thresholds, levels)
    half = levels[0] + np.arange(1, unit.shape[1] + 1) - 0.5
    for spread in spreads:
        found = _fit(unit, half, low, high, spread)
        if found is not None and _is_exact(unit, levels, low, high, found):
            return found
    return None


def _unit_thresholds(thresholds: Integers, levels: Integers) -> Integers:
    """Return [C, levels[-1] - levels[0]]: for each integer above the lowest level, where it is reached."""
    steps = np.arange(levels[0] + 1, levels[-1] + 1)
    return thresholds[:, np.searchsorted(levels, steps) - 1]


def _window(
    inverse: Reals, unit: Integers, half: Reals, low: Integers, high: Integers, spread: int
) -> tuple[Reals, Reals]:
    """Return the open interval that the bias must lie in, for ``inverse`` = 1 / multiplier [C]."""
    line = half[None, :] * inverse[:, None]
    reached = unit <= high[:, None]
    missed = unit > low[:, None]
    below = np.where(reached, line - spread * unit, -np.inf).max(axis=1)
    above = np.where(missed, line - spread * (unit - 1), np.inf).min(axis=1)
    return below, above


def widest_window(
    unit: Integers, half: Reals, low: Integers, high: Integers, spread: int
) -> tuple[Reals, Reals, Reals]:
    """Return the 1 / multiplier [C] that leaves the bias the most room, and the open interval of that bias."""
    left = np.full(len(unit), 1.0 / 16)
    right = 4.0 * spread * (high - low + 2)
    for _ in range(_SEARCH_STEPS):
        third = (right - left) / 3
        widths = []
        for inverse in (left + third, right - third):
            below, above = _window(inverse, unit, half, low, high, spread)
            widths.append(above - below)
        rising = widths[0] < widths[1]
        left, right = np.where(rising, left + third, left), np.where(rising, right, right - third)
    inverse = (left + right) / 2
    return inverse, *_window(inverse, unit, half, low, high, spread)


def _fit(unit: Integers, half: Reals, low: Integers, high: Integers, spread: int) -> Requantisation | None:
    _, below, above = widest_window(unit, half, low, high, spread)
    centre = np.where(np.isinf(below), above - spread, np.where(np.isinf(above), below + spread, (below + above) / 2))
    if np.abs(centre).max(initial=0) + spread * max(np.abs(low).max(initial=0), np.abs(high).max(initial=0)) > _INT32:
        return None
    bias: Reals = np.rint(centre)[:, None] + np.arange(-_BIASES, _BIASES + 1, dtype=np.float64)
    least, greatest = _inverses(bias, unit, half, low, high, spread)
    best = (greatest / least).argmax(axis=1)[:, None]
    bias, least, greatest = (np.take_along_axis(each, best, axis=1)[:, 0] for each in (bias, least, greatest))
    if np.any(least >= greatest):
        return None
    return Requantisation(spread, (2 / (least + greatest)).astype(np.float32), bias.astype(np.int32))


def _inverses(
    bias: Reals, unit: Integers, half: Reals, low: Integers, high: Integers, spread: int
) -> tuple[Reals, Reals]:
    """Return the open interval of 1 / multiplier for each of the biases [C, B] of every channel."""
    least, greatest = np.full(bias.shape, 2.0**-8), np.full(bias.shape, 2.0**30)
    for column, step in zip(unit.T, half, strict=True):
        # At the threshold the line has passed `step`, one accumulator before it has not.
        at = (bias + (spread * column)[:, None]) / step
        before = (bias + (spread * (column - 1))[:, None]) / step
        bounds = ((at, column <= high), (before, column > low))
        for (value, applies), is_upper in zip(bounds, (step > 0, step < 0), strict=True):
            if is_upper:
                greatest = np.where(applies[:, None], np.minimum(greatest, value), greatest)
            else:
                least = np.where(applies[:, None], np.maximum(least, value), least)
    return least, greatest


def evaluate(found: Requantisation, accumulators: Integers, levels: Integers) -> Integers:
    """Return the codes [C, K] that ``QLinearConv`` and ``Clip`` give for accumulators [C, K], rounding and all."""
    total = (found.spread * accumulators + found.bias[:, None].astype(np.int64)).astype(np.float32)
    zero_point = max(0, -int(levels[0]))
    codes = np.clip(np.rint(total * found.multiplier[:, None]) + zero_point, 0, _BYTE) - zero_point
    clipped: Integers = np.clip(codes, levels[0], levels[-1]).astype(np.int64)
    return clipped


def _is_exact(unit: Integers, levels: Integers, low: Integers, high: Integers, found: Requantisation) -> bool:
    ends = np.stack([low, high], axis=1)
    points = np.clip(np.concatenate([unit, unit - 1, ends], axis=1), low[:, None], high[:, None])
    expected = levels[0] + np.stack([np.searchsorted(u, p, side="right") for u, p in zip(unit, points, strict=True)])
    if not np.array_equal(evaluate(found, points, levels), expected):
        return False
    real = (found.spread * points + found.bias[:, None]) * found.multiplier[:, None].astype(np.float64)
    to_tie = np.abs(np.abs(real - np.rint(real)) - 0.5)
    inside = np.abs(real) < _BYTE
    return bool(np.all((to_tie > _MARGIN * np.maximum(1, np.abs(real))) | ~inside))
