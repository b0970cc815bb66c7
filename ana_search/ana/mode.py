"""The most probable level of a stair under noise: again a stair, whose thresholds are solved for here."""

import itertools
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from ana_search.ana.noise import NOISE_FAMILIES, NoiseFamily
from ana_search.ana.stairs import StairFunction

__all__ = ["lead", "mode_thresholds", "mode_thresholds_of_tensor"]

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
    if stair.spacing is not None:
        return _uniform(stair, family, scale)
    return tuple(_solve(stair, family, scale, k) for k in range(1, len(stair.levels)))


def _uniform(stair: StairFunction, family: NoiseFamily, scale: float) -> tuple[float, ...]:
    """On a uniform stair all inner cells are equal, and only where the outer levels win has to be solved.

    The most probable inner level is the one whose cell holds ``x``, but for the `lead` of uniform noise.
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
    inner = tuple(min(max(t - lead(family, scale, width), bottom), top) for t in thresholds[1:-1])
    return (bottom, *inner, top)


def lead(family: NoiseFamily, scale: float, width: float) -> float:
    """Return by how much the inner levels of a uniform stair come early, with cells of the given width.

    Uniform noise wider than two cells makes all the cells that it covers whole equally probable, and the
    highest of them wins.
    """
    return max(0.0, scale - width) if family.flat else 0.0


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


def mode_thresholds_of_tensor(scale: Tensor, stair: StairFunction, family: NoiseFamily) -> Tensor:
    """Return `mode_thresholds` for a 0-d tensor, as a float64 tensor on its device; compiled code calls it.

    The solution is found on the host: a scale on a GPU is waited for.
    """
    levels, thresholds = list(stair.levels), list(stair.thresholds)
    result: Tensor = _solve_for_tensor(scale, family.name, levels, thresholds, stair.quantum)
    return result


@torch.library.custom_op("ana_search::mode_thresholds", mutates_args=())
def _solve_for_tensor(
    scale: Tensor, family: str, levels: list[float], thresholds: list[float], quantum: float
) -> Tensor:
    stair = StairFunction(levels, thresholds, quantum)
    solved = mode_thresholds(stair, NOISE_FAMILIES[family], float(scale))
    return torch.tensor(solved, dtype=torch.float64, device=scale.device)


@_solve_for_tensor.register_fake
def _(scale: Tensor, family: str, levels: list[float], thresholds: list[float], quantum: float) -> Tensor:
    return torch.empty(len(thresholds), dtype=torch.float64, device=scale.device)
