"""What a method is: how a quantiser's value and gradient are computed in training, and with which scale."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ana_search.ana.kernels.blocks import Block, at_least, blockwise, in_working_precision
from ana_search.ana.scale import ScaleKind
from ana_search.ana.stairs import StairFunction

__all__ = ["Method", "Slope", "StraightThrough", "around_threshold", "at_most"]


@dataclass(frozen=True)
class Method:
    """One way of training through a stair.

    Args:
        is_noisy: whether what a schedule says of noise and decay is up to the user; else ``schedule`` says it.
        schedule: the fields of `LayerSchedule` that the method fixes.
        interval: the decay intervals that it fixes, by name.
        scale: the kind of scale that its publication learns, for weights and activations.
        uses_time: whether its gradient, or its value, changes over the annealing budget by itself.
        estimator: makes the module that computes value and gradient from (argument, time) for a stair; ``None`` where
            noise does.
    """

    is_noisy: bool = False
    schedule: Mapping[str, float | str] = field(default_factory=dict)
    interval: str | None = None
    scale: ScaleKind = "fixed"
    uses_time: bool = False
    estimator: Callable[[StairFunction], nn.Module] | None = None


EXACT_FORWARD: Mapping[str, float | str] = {
    "mean": 0.0,
    "spread": 0.0,
    "spread_alpha": 0.0,
    "backward": "static",
}
"""The schedule of a method whose value is the exact stair: no forward noise, and a gradient of its own."""

Slope = Callable[[Tensor, StairFunction, Tensor], Tensor]
"""The derivative (of the shape of the argument) that a method puts in the place of the stair's, at a time in [0, 1]."""


class StraightThrough(nn.Module):
    """The exact stair with the gradient of ``slope``."""

    def __init__(self, stair: StairFunction, slope: Slope) -> None:
        super().__init__()
        self.stair, self.slope = stair, slope

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return the stair of ``x``; ``time`` is a fraction of the annealing budget, 0-d."""
        result: Tensor = _StraightThrough.apply(x, self.stair, self.slope, time)
        return result


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, stair: StairFunction, slope: Slope, time: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.stair, ctx.slope, ctx.time = stair, slope, time.clone()
        return stair(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors

        def block(part: Tensor, of_gradient: Tensor | None, _place: Block) -> Tensor:
            assert of_gradient is not None
            slope: Tensor = ctx.slope(in_working_precision(part), ctx.stair, ctx.time)
            return slope.mul_(of_gradient)

        return blockwise(block, x, gradient), None, None, None


def around_threshold(x: Tensor, stair: StairFunction) -> Tensor:
    """Return how far every element is from its nearest threshold, in half steps; thresholds are evenly spaced.

    It is how a function for the sign is carried over to several levels: each stretch of one step around a threshold
    is one sign function, the outermost ones reach on to infinity (as in Gong et al., ICCV 2019, section 3.1).
    """
    first, last = stair.scaled_thresholds[0], stair.scaled_thresholds[-1]
    if first == last:
        return (x - first).mul_(2.0 / stair.step)
    distance = (last - first) / (len(stair.thresholds) - 1)
    place = (x - first).mul_(1.0 / distance)
    nearest = place.round().clamp_(0, len(stair.thresholds) - 1)
    return place.sub_(nearest).mul_(2.0 * distance / stair.step)


def at_most(x: Tensor, bound: float) -> Tensor:
    """Return 1 where ``x <= bound`` and 0 elsewhere, in the dtype of ``x``."""
    return at_least(-x, -bound)
