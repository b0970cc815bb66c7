"""Regularising a stair with additive noise: the autograd function behind every quantised layer."""

from typing import Any

import torch
from torch import Tensor

from ana_search.ana.counter import Source, random_source
from ana_search.ana.elementwise import Place, blockwise, not_repeated, working
from ana_search.ana.noise import Noise
from ana_search.ana.noise.base import TINY
from ana_search.ana.resolved import ResolvedNoise
from ana_search.ana.smooth import expectation, expectation_backward, expectation_with_slope
from ana_search.ana.stairs import StairFunction
from ana_search.ana.strategies import STRATEGIES, Strategy, mode, random

__all__ = ["regularise"]


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

    Whatever the strategy, the gradient is the derivative of the expectation under ``backward``. For it either
    ``x`` is kept or, where computing it beside the value saves more than that costs, the derivative.

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
    source = random_source(x.device, generator) if strategy == "random" else None
    front = ResolvedNoise.of(forward, x.device)
    if not (x.requires_grad and torch.is_grad_enabled()):
        return _value(x, stair, front, strategy, source)
    back = front if backward is None else ResolvedNoise.of(backward, x.device)
    result: Tensor = _Regularise.apply(x, stair, front, back, strategy, source)
    return result


class _Regularise(torch.autograd.Function):
    """Value under one noise, gradient under another."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        stair: StairFunction,
        front: ResolvedNoise,
        back: ResolvedNoise,
        strategy: Strategy,
        source: Source | None,
    ) -> Tensor:
        ctx.keeps_slope = strategy == "expectation" and back is front and _keeps_slope(x, stair, front)
        if ctx.keeps_slope:
            value, slope = _value_and_slope(x, stair, front)
            ctx.save_for_backward(not_repeated(slope))
        else:
            value = _value(x, stair, front, strategy, source)
            ctx.save_for_backward(x)
            ctx.stair, ctx.back = stair, back
        # The compiler of PyTorch 2.11 takes a result that was made in place for one without a gradient.
        return value.clone() if torch.compiler.is_compiling() else value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():  # `create_graph=True`
            with torch.no_grad():
                result = _Regularise._times_slope(ctx, gradient)
            result = _Last.apply(result, torch.zeros((), requires_grad=True))
        else:
            result = _Regularise._times_slope(ctx, gradient)
        return result, None, None, None, None, None

    @staticmethod
    def _times_slope(ctx: Any, gradient: Tensor) -> Tensor:
        (kept,) = ctx.saved_tensors
        return gradient * kept if ctx.keeps_slope else _gradient(kept, gradient, ctx.stair, ctx.back)


class _Last(torch.autograd.Function):
    """The gradient, where it could be differentiated again: an error then, instead of a zero that is wrong."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, _anything_with_a_gradient: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, _gradient: Tensor) -> tuple[Tensor | None, ...]:
        raise RuntimeError("the gradient of `regularise` cannot be differentiated again")


def _value(x: Tensor, stair: StairFunction, noise: ResolvedNoise, strategy: Strategy, source: Source | None) -> Tensor:
    """Return the value of the stair under the forward noise."""

    def block(part: Tensor, _other: Tensor | None, place: Place) -> Tensor:
        if noise.none:
            return _exact(part, stair, noise)
        part = working(part)
        if strategy == "random":
            assert source is not None
            return random(part, stair, noise, source, place)
        if strategy == "mode":
            return mode(part, stair, noise, place.out)
        return _unless_none(expectation(part, stair, noise, place.out), part, stair, noise)

    return blockwise(block, x)


def _exact(x: Tensor, stair: StairFunction, noise: ResolvedNoise) -> Tensor:
    """Return the stair without noise."""
    return stair.of(working(x) - noise.mean if isinstance(noise.mean, Tensor) or noise.mean else x)


def _unless_none(smooth: Tensor, x: Tensor, stair: StairFunction, noise: ResolvedNoise) -> Tensor:
    """Return ``smooth``, or the exact stair of ``x`` where a tensor says that there is no noise."""
    if not isinstance(noise.scale, Tensor):
        return smooth
    return torch.where(noise.scale > TINY, smooth, _exact(x, stair, noise))


def _keeps_slope(x: Tensor, stair: StairFunction, noise: ResolvedNoise) -> bool:
    """Whether the derivative is computed with the value and kept, instead of ``x``.

    Not where it costs less than reading it: that of uniform noise, in compiled code that of triangular noise, and
    there, on a GPU, any.
    """
    if stair.spacing is None or working(x) is not x:
        return False
    if torch.compiler.is_compiling():
        return x.device.type == "cpu" and noise.family.costly
    return not isinstance(noise.scale, Tensor) and not noise.none and not noise.family.flat


def _value_and_slope(x: Tensor, stair: StairFunction, noise: ResolvedNoise) -> tuple[Tensor, Tensor]:
    """Return the expectation and its derivative, for a noise that `_keeps_slope`."""
    slope = torch.empty_like(x)

    def block(part: Tensor, slope_of_part: Tensor | None, place: Place) -> Tensor:
        assert slope_of_part is not None
        value = expectation_with_slope(part, stair, noise, slope_of_part, place.out)
        return _unless_none(value, part, stair, noise)

    return blockwise(block, x, slope), slope


def _gradient(x: Tensor, gradient: Tensor, stair: StairFunction, noise: ResolvedNoise) -> Tensor:
    """Return ``gradient`` times the derivative of the expectation under the backward noise."""
    if noise.none:
        return torch.zeros_like(x)

    def block(part: Tensor, other: Tensor | None, place: Place) -> Tensor:
        assert other is not None
        return expectation_backward(working(other), working(part), stair, noise, place.out)

    return blockwise(block, x, gradient)
