"""Regularising a stair with additive noise: the autograd function behind every quantised layer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from ana_search.ana.mode import mode_thresholds
from ana_search.ana.noise import Noise
from ana_search.ana.smooth import smooth
from ana_search.ana.stairs import StairFunction, cut

__all__ = ["STE_PRESETS", "STRATEGIES", "Strategy", "regularise"]

Strategy = Literal["expectation", "mode", "random"]
STRATEGIES = ("expectation", "mode", "random")

STE_PRESETS: Mapping[str, Noise] = MappingProxyType(
    {
        "ste_clipped": Noise("uniform", spread=0.5),
        "ste_triangular": Noise("triangular", spread=0.5),
        "ste_logistic": Noise("logistic", spread=0.5),
        "ste_normal": Noise("normal", spread=0.5),
    }
)
"""Backward noises that make, with no forward noise, the straight-through estimators of the literature."""


def regularise(
    x: Tensor,
    stair: StairFunction,
    forward: Noise,
    backward: Noise | None = None,
    *,
    strategy: Strategy = "expectation",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return ``stair`` of ``x`` less noise: its expectation, its mode or one sample an element.

    Whatever the strategy, the gradient is the derivative of the expectation under ``backward``.

    Args:
        x: floating-point tensor of any shape and memory format.
        stair: the quantiser.
        forward: the noise of the value; with spread 0 the value is exactly ``stair(x - mean)``.
        backward: the noise of the gradient (default: the forward noise); with spread 0 the gradient is zero.
        strategy: ``"expectation"``; ``"mode"``, the most probable level (the higher of two equally probable
            ones); or ``"random"``, the level of an independent noise sample for every element.
        generator: source of the random strategy's samples (default: torch's own).

    Returns:
        Tensor of the shape, dtype and memory format of ``x``.

    Raises:
        ValueError: an unknown strategy.
        TypeError: ``x`` is not floating-point.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"`strategy` must be one of {', '.join(STRATEGIES)}, but got {strategy!r}")
    if not x.is_floating_point():
        raise TypeError(f"`x` must be floating-point, but its dtype is {x.dtype}")
    if x.requires_grad and torch.is_grad_enabled():
        result: Tensor = _Regularise.apply(x, stair, forward, backward or forward, strategy, generator)
        return result
    return _value(x, stair, forward, strategy, generator)


class _Regularise(torch.autograd.Function):
    """Value under one noise, gradient under another; keeps one tensor, the derivative, for the backward."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        stair: StairFunction,
        forward: Noise,
        backward: Noise,
        strategy: Strategy,
        generator: torch.Generator | None,
    ) -> Tensor:
        slope = _slope(x, stair, backward)
        ctx.save_for_backward(slope)
        return _value(x, stair, forward, strategy, generator)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return gradients[0] * slope, None, None, None, None, None


def _number(value: float | Tensor) -> float:
    return float(value)


def _slope(x: Tensor, stair: StairFunction, noise: Noise) -> Tensor:
    scale = _number(noise.scale)
    if scale == 0.0:
        return torch.zeros_like(x)
    work = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    _, slope = smooth(work, stair, noise.distribution, _number(noise.mean), scale, value=False)
    assert slope is not None
    return slope.to(x.dtype)


def _value(
    x: Tensor, stair: StairFunction, noise: Noise, strategy: Strategy, generator: torch.Generator | None
) -> Tensor:
    mean, scale = _number(noise.mean), _number(noise.scale)
    work = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    if scale == 0.0:
        return stair(work - mean).to(x.dtype)
    family = noise.distribution
    if strategy == "expectation":
        value, _ = smooth(work, stair, family, mean, scale, slope=False)
        assert value is not None
        return value.to(x.dtype)
    if strategy == "mode":
        return cut(work - mean, mode_thresholds(stair, family, scale), stair.scaled_levels).to(x.dtype)
    noise_sample = family.sample(work.shape, generator, dtype=work.dtype, device=work.device)
    return stair(work - (mean + scale * noise_sample)).to(x.dtype)
