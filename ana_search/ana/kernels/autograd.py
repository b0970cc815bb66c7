"""The autograd function of the noisy stair: a value under one noise, a gradient under another."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ana_search.ana.kernels.blocks import Block, blockwise, in_working_precision
from ana_search.ana.kernels.expectation import (
    expectation,
    keeps_slope,
    slope_times,
    value_and_slope,
    without_noise,
)
from ana_search.ana.kernels.hashing import Source, random_source
from ana_search.ana.kernels.mode import most_probable
from ana_search.ana.kernels.numbers import NoiseNumbers
from ana_search.ana.kernels.sampling import sampled
from ana_search.ana.noise import Noise
from ana_search.ana.strategies import Strategy

if TYPE_CHECKING:
    from ana_search.ana.stairs import StairFunction


def regularised(
    x: Tensor,
    stair: "StairFunction",
    forward: Noise,
    backward: Noise | None,
    strategy: Strategy,
    generator: torch.Generator | None,
) -> Tensor:
    """Return what `ana_search.ana.regularise` returns for the same arguments, which are known to be sound.

    For the gradient either ``x`` is kept or, where computing it beside the value saves more than that costs, the
    derivative itself.
    """
    source = random_source(x.device, generator) if strategy == "random" else None
    of_value = NoiseNumbers.of(forward, x.device)
    if not (x.requires_grad and torch.is_grad_enabled()):
        return _value(x, stair, of_value, strategy, source)
    of_gradient = of_value if backward is None else NoiseNumbers.of(backward, x.device)
    result: Tensor = _Regularised.apply(x, stair, of_value, of_gradient, strategy, source)
    return result


class _Regularised(torch.autograd.Function):
    """Value under one noise, gradient under another."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        stair: "StairFunction",
        of_value: NoiseNumbers,
        of_gradient: NoiseNumbers,
        strategy: Strategy,
        source: Source | None,
    ) -> Tensor:
        compiling = torch.compiler.is_compiling()
        ctx.has_slope = strategy == "expectation" and of_gradient is of_value and keeps_slope(x, of_value)
        if ctx.has_slope:
            value, slope = value_and_slope(x, stair, of_value)
            # The compiler computes anew in the backward pass what the forward pass keeps for it, however long that
            # takes, unless its last operation is one that it never repeats: here the reversal of no dimensions.
            ctx.save_for_backward(torch.flip(slope, ()) if compiling else slope)
        else:
            value = _value(x, stair, of_value, strategy, source)
            ctx.save_for_backward(x)
            ctx.stair, ctx.noise = stair, of_gradient
        # The compiler takes a result that was made in place for one without a gradient; it removes the copy again.
        return value.clone() if compiling else value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        again = torch.is_grad_enabled() and not torch.compiler.is_compiling()  # `create_graph=True`
        with torch.no_grad():
            (kept,) = ctx.saved_tensors
            result = gradient * kept if ctx.has_slope else slope_times(gradient, kept, ctx.stair, ctx.noise)
        if again:
            result = _Once.apply(result, torch.zeros((), requires_grad=True))
        return result, None, None, None, None, None


class _Once(torch.autograd.Function):
    """A gradient that cannot be differentiated again: an error then, instead of a zero that is wrong."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, _anything_with_a_gradient: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, _gradient: Tensor) -> tuple[Tensor | None, ...]:
        raise RuntimeError("the gradient of `regularise` cannot be differentiated again")


def _value(x: Tensor, stair: "StairFunction", noise: NoiseNumbers, strategy: Strategy, source: Source | None) -> Tensor:
    """Return the value of the stair under the forward noise."""

    def block(part: Tensor, _other: Tensor | None, place: Block) -> Tensor:
        if noise.none:
            return without_noise(part, stair, noise)
        part = in_working_precision(part)
        if source is not None:
            return sampled(part, stair, noise, source, place)
        return (most_probable if strategy == "mode" else expectation)(part, stair, noise, place.out)

    return blockwise(block, x)
