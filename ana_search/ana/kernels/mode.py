"""The most probable level of a stair under noise: again a stair, whose thresholds are solved for here."""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ana_search.ana.kernels.blocks import at_least
from ana_search.ana.kernels.numbers import NoiseNumbers, Scalar, on_device
from ana_search.ana.kernels.stair import level_of
from ana_search.ana.noise import NOISE_FAMILIES, NoiseFamily

if TYPE_CHECKING:
    from ana_search.ana.stairs import StairFunction

_FEW = 3
"""Up to this many thresholds are compared with one by one, where a floor would do too but costs more."""

_HALVINGS = 60


def most_probable(x: Tensor, stair: "StairFunction", noise: NoiseNumbers, out: Tensor | None = None) -> Tensor:
    """Return the most probable level of ``stair(x - noise)``, the higher of two equally probable ones.

    It is a stair in ``x``, whose thresholds the host solves for once a scale. Those of the inner levels of a uniform
    stair need no search: they stay where they are (but for the `_head_start` of uniform noise), until an outer level
    overtakes them.
    """
    family, mean, given = noise.family, noise.mean, noise.given
    thresholds: Sequence[float] | Tensor
    if isinstance(given, Tensor):
        levels = list(stair.levels), list(stair.thresholds)
        thresholds = on_device(_solve_for_tensor(given, family.name, *levels, stair.quantum), x.device).to(x.dtype)
    else:
        thresholds = mode_thresholds(stair, family, given)
    y = x - mean if isinstance(mean, Tensor) or mean else x
    grid, n = stair.grid, len(stair.thresholds)
    if grid is None:
        return level_of(y, thresholds, stair.scaled_levels)
    if n <= _FEW:
        count = torch.clamp(y, 0.0, 0.0, out=out)  # which keeps NaN
        for k in range(n):
            count.add_(at_least(y, thresholds[k]))
        return grid.level(count)
    early = _head_start(family, noise.scale, grid.quantum)
    inner = grid.passed(y + early if isinstance(early, Tensor) or early else y).clamp(1.0, n - 1.0)
    inner = inner * at_least(y, thresholds[0])
    return grid.level(inner + (n - inner) * at_least(y, thresholds[n - 1]))


@lru_cache(maxsize=4096)
def mode_thresholds(stair: "StairFunction", family: NoiseFamily, scale: float) -> tuple[float, ...]:
    """Return where the most probable level of ``stair(x - noise)`` reaches each level, for noise of mean 0.

    The level probabilities are differences of the distribution function. All families are log-concave, so
    that the likelihood ratio of two levels is monotone in ``x`` and the mode is a non-decreasing function of
    it: the ``k``-th result is the smallest ``x`` whose mode is level ``k`` or higher. A level that is never
    the most probable shares its threshold with the one above it. A tie goes up.
    """
    if scale <= 0.0 or len(stair.thresholds) == 1:
        return stair.scaled_thresholds
    if stair.spacing is not None:
        return _of_uniform_stair(stair, family, scale)
    return tuple(_solve(stair, family, scale, k) for k in range(1, len(stair.levels)))


def _of_uniform_stair(stair: "StairFunction", family: NoiseFamily, scale: float) -> tuple[float, ...]:
    """On a uniform stair all inner cells are equal, and only where the outer levels win has to be solved.

    The most probable inner level is the one whose cell holds ``x``, but for the `_head_start` of uniform noise.
    """
    thresholds, probability = stair.scaled_thresholds, _distribution_function(family)
    low, high = thresholds[0], thresholds[-1]
    centre, width = 0.5 * (low + high), thresholds[1] - low

    def outer_wins(x: float) -> bool:
        cell = min(max(int((x - low) // width), 0), len(thresholds) - 2)
        inner = probability((x - low - cell * width) / scale) - probability((x - low - (cell + 1) * width) / scale)
        return probability((x - high) / scale) >= inner * (1.0 - 1e-12)

    top = centre if outer_wins(centre) else _bisect(outer_wins, centre, high)
    bottom = low + high - top
    early = float(_head_start(family, scale, width))
    return (bottom, *(min(max(t - early, bottom), top) for t in thresholds[1:-1]), top)


def _head_start(family: NoiseFamily, scale: Scalar, width: float) -> Scalar:
    """Return by how much the inner levels of a uniform stair come early, with cells of the given width.

    Uniform noise wider than two cells makes all the cells that it covers whole equally probable, and the highest of
    them wins. The density of the other families falls, so that nothing comes early.
    """
    ahead = scale - width if family.name == "uniform" else 0.0
    return ahead.clamp_min(0.0) if isinstance(ahead, Tensor) else max(0.0, ahead)


def _solve(stair: "StairFunction", family: NoiseFamily, scale: float, k: int) -> float:
    """Return the smallest ``x`` whose most probable level is ``k`` or higher."""
    thresholds, probability = stair.scaled_thresholds, _distribution_function(family)

    def mode_is_high(x: float) -> bool:
        above = [1.0, *(probability((x - t) / scale) for t in thresholds), 0.0]
        probabilities = [a - b for a, b in itertools.pairwise(above)]
        return max(probabilities[k:]) >= max(probabilities[:k]) * (1.0 - 1e-12)

    return _bisect(mode_is_high, thresholds[0] - family.reach * scale, thresholds[-1] + family.reach * scale)


def _bisect(condition: Callable[[float], bool], low: float, high: float) -> float:
    """Return the point between ``low`` and ``high`` where ``condition`` becomes true."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if condition(middle):
            high = middle
        else:
            low = middle
    return high


def _distribution_function(family: NoiseFamily) -> Callable[[float], float]:
    """Return ``cdf`` as a function of one Python number, in double precision."""
    return _OF_A_NUMBER.get(family.name) or (lambda z: float(family.cdf(torch.tensor(z, dtype=torch.float64))))


def _triangular(z: float) -> float:
    z = min(max(z, -1.0), 1.0)
    return z - 0.5 * z * abs(z) + 0.5


def _logistic(z: float) -> float:
    if z < 0.0:
        e = math.exp(max(z, -745.0))
        return e / (1.0 + e)
    return 1.0 / (1.0 + math.exp(-z))


_OF_A_NUMBER: dict[str, Callable[[float], float]] = {
    "uniform": lambda z: min(max(0.5 * z + 0.5, 0.0), 1.0),
    "triangular": _triangular,
    "normal": lambda z: 0.5 * math.erfc(-z * math.sqrt(0.5)),
    "logistic": _logistic,
}
"""A tensor of one number takes a hundred times as long, and a threshold takes some sixty of them."""


# One operation for the compiler, which does not look inside: the host solves, and waits for a scale on a GPU.
@torch.library.custom_op("ana_search::mode_thresholds", mutates_args=())
def _solve_for_tensor(
    scale: Tensor, family: str, levels: list[float], thresholds: list[float], quantum: float
) -> Tensor:
    from ana_search.ana.stairs import StairFunction  # which itself imports kernels

    solved = mode_thresholds(StairFunction(levels, thresholds, quantum), NOISE_FAMILIES[family], float(scale))
    return torch.tensor(solved, dtype=torch.float64, device=scale.device)


@_solve_for_tensor.register_fake
def _(scale: Tensor, family: str, levels: list[float], thresholds: list[float], quantum: float) -> Tensor:
    return torch.empty(len(thresholds), dtype=torch.float64, device=scale.device)
