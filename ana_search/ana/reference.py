"""The formula of `ana_search.ana.regularise`, word for word: what the fast kernels are tested against.

Every level is computed for every element in double precision, from nothing but the family's distribution function,
density and samples; any family, stair, device and floating-point type will do. It is slow and takes memory for
``levels x elements`` double-precision numbers.
"""

from typing import Any

import torch
from torch import Tensor

from ana_search.ana.noise import Noise
from ana_search.ana.noise.noise import LEAST_SCALE
from ana_search.ana.stairs import StairFunction
from ana_search.ana.strategies import Strategy, check_request

__all__ = ["expectation", "most_probable", "probabilities", "regularise", "sampled", "slope"]


def regularise(
    x: Tensor,
    stair: StairFunction,
    forward: Noise,
    backward: Noise | None = None,
    *,
    strategy: Strategy = "expectation",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return what `ana_search.ana.regularise` returns for the same arguments, but for rounding and random numbers."""
    check_request(x, strategy)
    result: Tensor = _Regularise.apply(x, stair, forward, backward or forward, strategy, generator)
    return result


class _Regularise(torch.autograd.Function):
    """A value under the forward noise, a gradient under the backward noise."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, stair: StairFunction, forward: Noise, backward: Noise, strategy: str, generator: Any
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.stair, ctx.noise = stair, backward
        if strategy == "expectation":
            value = expectation(x, stair, forward)
        elif strategy == "mode":
            value = most_probable(x, stair, forward)
        else:
            value = sampled(x, stair, forward, generator)
        return torch.empty_like(x).copy_(torch.where(torch.isnan(x), x.double(), value))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        return (gradient * slope(x, ctx.stair, ctx.noise)).to(x.dtype), None, None, None, None, None


def expectation(x: Tensor, stair: StairFunction, noise: Noise) -> Tensor:
    """Return ``q_0 + sum_k (q_k - q_{k-1}) F((x - m - t_k) / s)``, float64 of the shape of ``x``."""
    levels, _ = _levels_and_thresholds(x, stair)
    if _mean_and_scale(x, noise)[1] <= LEAST_SCALE:
        return most_probable(x, stair, noise)  # a level, which the sum would be but for rounding
    return levels[0] + torch.einsum("k,k...->...", levels.diff(), _reached(x, stair, noise))


def slope(x: Tensor, stair: StairFunction, noise: Noise) -> Tensor:
    """Return the derivative of `expectation`, ``sum_k (q_k - q_{k-1}) f((x - m - t_k) / s) / s``."""
    levels, _ = _levels_and_thresholds(x, stair)
    mean, scale = _mean_and_scale(x, noise)
    if scale <= LEAST_SCALE:
        return torch.zeros_like(x, dtype=torch.float64)
    density = noise.distribution.pdf((_distances(x, stair) - mean) / scale) / scale
    return torch.einsum("k,k...->...", levels.diff(), density)


def probabilities(x: Tensor, stair: StairFunction, noise: Noise) -> Tensor:
    """Return the probability of each level (first dimension) for each element (the others)."""
    certain = torch.ones_like(x, dtype=torch.float64)[None]
    return -torch.cat([certain, _reached(x, stair, noise), 0.0 * certain]).diff(dim=0)


def most_probable(x: Tensor, stair: StairFunction, noise: Noise) -> Tensor:
    """Return the most probable level, the highest of those that are equally probable but for rounding."""
    levels, _ = _levels_and_thresholds(x, stair)
    probability = probabilities(x, stair, noise)
    likely = probability >= probability.amax(dim=0) * (1.0 - 1e-12)
    numbers = torch.arange(len(levels), device=x.device).reshape(-1, *[1] * x.dim())
    return levels[torch.where(likely, numbers, 0).amax(dim=0)]


def sampled(x: Tensor, stair: StairFunction, noise: Noise, generator: torch.Generator | None = None) -> Tensor:
    """Return ``stair(x - m - s z)`` with an independent sample ``z`` of the family for every element."""
    levels, _ = _levels_and_thresholds(x, stair)
    mean, scale = _mean_and_scale(x, noise)
    z = noise.distribution.sample(x.shape, generator, dtype=torch.float64, device=x.device)
    return levels[(_distances(x, stair) >= mean + scale * z).sum(dim=0)]


def _reached(x: Tensor, stair: StairFunction, noise: Noise) -> Tensor:
    """Return the probability that ``x`` less noise has reached each threshold (first dimension)."""
    mean, scale = _mean_and_scale(x, noise)
    distances = _distances(x, stair) - mean
    if scale <= LEAST_SCALE:
        return (distances >= 0.0).double()
    return noise.distribution.cdf(distances / scale)


def _distances(x: Tensor, stair: StairFunction) -> Tensor:
    """Return ``x - t_k``, float64, with the thresholds in the first dimension."""
    _, thresholds = _levels_and_thresholds(x, stair)
    return x.double() - thresholds.reshape(-1, *[1] * x.dim())


def _levels_and_thresholds(x: Tensor, stair: StairFunction) -> tuple[Tensor, Tensor]:
    """Return both in units of ``x``, rounded to its precision (to single precision if that is half), as float64."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    both = (stair.scaled_levels, stair.scaled_thresholds)
    levels, thresholds = (torch.tensor(numbers, dtype=dtype, device=x.device).double() for numbers in both)
    return levels, thresholds


def _mean_and_scale(x: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
    mean, scale = (torch.as_tensor(v, dtype=torch.float64, device=x.device) for v in (noise.mean, noise.scale))
    return mean, scale
