"""The most probable level of a stair under noise: again a stair, whose thresholds are solved for here."""

import itertools
from collections.abc import Callable
from functools import lru_cache

from ana_search.ana.noise import NoiseFamily
from ana_search.ana.stairs import StairFunction

__all__ = ["mode_thresholds"]

_HALVINGS = 60


@lru_cache(maxsize=4096)
def mode_thresholds(stair: StairFunction, family: NoiseFamily, scale: float) -> tuple[float, ...]:
    """Return where the most probable level of ``stair(x - noise)`` reaches each level, for noise of mean 0.

    The level probabilities are differences of the distribution function. All families are log-concave, so
    that the likelihood ratio of two levels is monotone in ``x`` and the mode is a non-decreasing function of
    it: the ``k``-th result is the smallest ``x`` whose mode is level ``k`` or higher. A level that is never
    the most probable shares its threshold with the one above it. A tie goes up.
    """
    if scale <= 0.0 or len(stair.thresholds) == 1:
        return stair.scaled_thresholds
    if stair.step is not None:
        return _uniform(stair, family, scale)
    return tuple(_solve(stair, family, scale, k) for k in range(1, len(stair.levels)))


def _uniform(stair: StairFunction, family: NoiseFamily, scale: float) -> tuple[float, ...]:
    """On a uniform stair all inner cells are equal, and only where the outer levels win has to be solved.

    The most probable inner level is the one whose cell holds ``x``, except that uniform noise wider than two
    cells makes all the cells that it covers equally probable.
    """
    thresholds = stair.scaled_thresholds
    low, high = thresholds[0], thresholds[-1]
    centre, width = 0.5 * (low + high), thresholds[1] - low

    def outer_wins(x: float) -> bool:
        cell = min(max(int((x - low) // width), 0), len(thresholds) - 2)
        inner = family.probability((x - low - cell * width) / scale) - family.probability(
            (x - low - (cell + 1) * width) / scale
        )
        return family.probability((x - high) / scale) >= inner * (1.0 - 1e-12)

    top = centre if outer_wins(centre) else _bisect(outer_wins, centre, high)
    bottom = low + high - top
    tie = min(0.0, width - scale) if family.name == "uniform" else 0.0
    inner = tuple(min(max(t + tie, bottom), top) for t in thresholds[1:-1])
    return (bottom, *inner, top)


def _solve(stair: StairFunction, family: NoiseFamily, scale: float, k: int) -> float:
    """Return the smallest ``x`` whose most probable level is ``k`` or higher."""
    thresholds = stair.scaled_thresholds

    def reached(x: float) -> bool:
        above = [1.0, *(family.probability((x - t) / scale) for t in thresholds), 0.0]
        probabilities = [a - b for a, b in itertools.pairwise(above)]
        return max(probabilities[k:]) >= max(probabilities[:k]) * (1.0 - 1e-12)

    return _bisect(reached, thresholds[0] - family.reach * scale, thresholds[-1] + family.reach * scale)


def _bisect(reached: Callable[[float], bool], low: float, high: float) -> float:
    """Return the point between ``low`` and ``high`` where ``reached`` becomes true."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if reached(middle):
            high = middle
        else:
            low = middle
    return high
