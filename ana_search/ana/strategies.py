"""The two strategies whose value is always a level; `expectation` is in `ana_search.ana.smooth`."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ana_search.ana.counter import Source, flat, in_memory_order, random_uniform
from ana_search.ana.elementwise import Place, ahead, moved, not_repeated, reached
from ana_search.ana.mode import lead, mode_thresholds, mode_thresholds_of_tensor
from ana_search.ana.noise import DifferenceFamily, NoiseFamily
from ana_search.ana.noise.base import TINY, Scalar
from ana_search.ana.pool import even_rows, noise_in_rows, pooled_noise
from ana_search.ana.resolved import ResolvedNoise
from ana_search.ana.stairs import StairFunction, cut

__all__ = ["STRATEGIES", "Strategy", "mode", "random"]

Strategy = Literal["expectation", "mode", "random"]
STRATEGIES: tuple[Strategy, ...] = ("expectation", "mode", "random")

# Up to this many thresholds are compared with one by one.
_FEW = 3


def mode(x: Tensor, stair: StairFunction, noise: ResolvedNoise, out: Tensor | None = None) -> Tensor:
    """Return the most probable level of ``stair(x - noise)``, the higher of two equally probable ones.

    It is a stair in ``x``, whose thresholds are solved for once a scale. Those of the inner levels of a uniform
    stair need no search: they stay where they are (but for the `lead` of uniform noise), until an outer level
    overtakes them. The host solves.
    """
    family, mean, given = noise.family, noise.mean, noise.given
    thresholds: Sequence[float] | Tensor
    if isinstance(given, Tensor):
        thresholds = moved(mode_thresholds_of_tensor(given, stair, family), x.device).to(x.dtype)
    else:
        thresholds = mode_thresholds(stair, family, given)
    y = x - mean if isinstance(mean, Tensor) or mean else x
    grid, n = stair.grid, len(stair.thresholds)
    if grid is None or (n <= _FEW and torch.compiler.is_compiling()):
        return not_repeated(cut(y, thresholds, stair.scaled_levels))
    if n <= _FEW:
        count = torch.clamp(y, 0.0, 0.0, out=out)  # keeps NaN
        for k in range(n):
            count.add_(reached(y, thresholds[k]))
        return grid.level(count)
    early = _lead(family, noise.scale, grid.quantum)
    inner = grid.passed(y if early is None else y + early).clamp(1.0, n - 1.0)
    inner = inner * reached(y, thresholds[0])
    return grid.level(inner + (n - inner) * reached(y, thresholds[n - 1]))


def _lead(family: NoiseFamily, scale: Scalar, width: float) -> Scalar | None:
    """Return `lead` of a number or a 0-d tensor, or ``None`` for nothing."""
    if not family.flat:
        return None
    return (scale - width).clamp_min(0.0) if isinstance(scale, Tensor) else lead(family, scale, width)


def random(x: Tensor, stair: StairFunction, noise: ResolvedNoise, source: Source, place: Place) -> Tensor:
    """Return ``stair(x - noise)`` with an independent sample of noise for every element.

    Noise is the quantile of a random number or, on a CPU, comes from a pool. ``place`` is that of the block ``x``.
    """
    family = noise.family
    if not isinstance(family, DifferenceFamily) or isinstance(source, torch.Generator) or x.device.type != "cpu":
        return _level(x, family.quantile_(random_uniform(x, source, place.start)), stair, noise)
    count = even_rows(place.whole) if torch.compiler.is_compiling() else None
    if count is None:
        return _level(x, pooled_noise(x, family, source, place), stair, noise)
    in_rows = flat(x).view(count, -1)
    return in_memory_order(_level(in_rows, noise_in_rows(in_rows, family, source), stair, noise).view(-1), x)


def _level(x: Tensor, sample: Tensor, stair: StairFunction, noise: ResolvedNoise) -> Tensor:
    """Return ``stair(x - noise)`` for a sample of noise in native units, perhaps in its memory."""
    mean, scale = noise.mean, noise.scale
    if isinstance(scale, Tensor):
        y = sample.mul_(ahead(torch.where(scale > TINY, -scale, 0.0))).add_(x)
    elif torch.compiler.is_compiling():
        y = sample.mul_(-scale).add_(x)
    else:
        y = torch.add(x, sample, alpha=-scale, out=sample)
    if isinstance(mean, Tensor) or mean:
        y.sub_(mean)
    if stair.grid is None or isinstance(scale, Tensor):  # which may be 0, and `y` on a threshold
        return not_repeated(stair.of(y))
    return stair.grid.nearest(y, len(stair.thresholds))
