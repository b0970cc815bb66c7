"""What a method is: how a quantiser's value and gradient are computed in training, and with which scale."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ana_search.ana.scale import ScaleKind
from ana_search.ana.stairs import StairFunction

__all__ = ["Method", "Slope", "StraightThrough", "nearest_threshold"]


@dataclass(frozen=True)
class Method:
    """One way of training through a stair.

    Args:
        name: as in study files.
        is_noisy: whether what a schedule says of noise and decay is up to the user; else ``schedule`` says it.
        schedule: the fields of `LayerSchedule` that the method fixes.
        interval: the decay intervals that it fixes, by name.
        scale: the kind of scale that its publication learns, for weights and activations.
        uses_time: whether its gradient, or its value, changes over the annealing budget by itself.
        estimator: makes the module that computes value and gradient from (argument, time) for a stair; ``None`` where
            noise does.
    """

    name: str
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
        return gradient * ctx.slope(x, ctx.stair, ctx.time).to(x.dtype), None, None, None


def nearest_threshold(x: Tensor, stair: StairFunction) -> Tensor:
    """Return the threshold nearest to every element, in units of ``x``; thresholds are evenly spaced.

    It is how a function for the sign is carried over to several levels: each stretch of one step around a threshold
    is one sign function, the outermost ones reach on to infinity (as in Gong et al., ICCV 2019, section 3.1).
    """
    first, last = stair.scaled_thresholds[0], stair.scaled_thresholds[-1]
    if first == last:
        return torch.full_like(x, first)
    distance = (last - first) / (len(stair.thresholds) - 1)
    return ((x - first) / distance).round_().clamp_(0, len(stair.thresholds) - 1).mul_(distance).add_(first)
