"""Differentiable soft quantisation."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ana_search.ana.methods.base import EXACT_FORWARD, Method, nearest_threshold
from ana_search.ana.stairs import StairFunction

__all__ = ["DSQ", "SoftQuantiser"]

_ALPHA = 0.2
_BOUNDS = (0.01, 0.5)


class SoftQuantiser(nn.Module):
    """The stair, with the gradient of a soft stair whose temperature is learned.

    Around every threshold the soft stair is ``phi(u) = tanh(k u) / tanh(k)``, with ``u`` in half steps, 1 at the next
    levels. ``alpha = 1 - tanh(k)`` says how far it is from the stair, and is learned: ``k = log(2 / alpha - 1) / 2``.
    Written with the logistic distribution function ``F``, ``tanh(k u) = 2 F(2 k u) - 1``: the expectation of the stair
    under logistic noise of a learned scale, stretched to meet the levels. Beyond the outermost levels it is flat.

    Source: Gong, Liu, Jiang, Li, Hu, Lin, Yu and Yan, ICCV 2019, equations 3 to 10 (there ``Delta`` is the step and
    their ``k`` is ours in units of half a step).
    """

    def __init__(self, stair: StairFunction) -> None:
        super().__init__()
        self.stair = stair
        self.alpha = nn.Parameter(torch.tensor(_ALPHA))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return the stair of ``x``; the time does not matter."""
        result: Tensor = _Soft.apply(x, self.alpha, self.stair)
        return result


class _Soft(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor, stair: StairFunction) -> Tensor:
        ctx.save_for_backward(x, alpha)
        ctx.stair = stair
        return stair(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        x, alpha = ctx.saved_tensors
        stair: StairFunction = ctx.stair
        half = 0.5 * stair.step
        held = alpha.clamp(*_BOUNDS)
        k, top = 0.5 * torch.log(2.0 / held - 1.0), 1.0 - held  # top = tanh(k)
        u = (x - nearest_threshold(x, stair)).div_(half)
        inside = u.abs() <= 1.0
        t = torch.tanh(k * u)
        of_x = torch.where(inside, k / top * (1.0 - t * t), 0.0)
        # d phi / d alpha, with dk / d alpha = -1 / (alpha (2 - alpha)) and d top / d alpha = -1.
        of_k = torch.where(inside, u * (1.0 - t * t) / top, 0.0)
        phi = torch.where(inside, t / top, 0.0)
        of_alpha = half * (gradient * (phi / top - of_k / (held * (2.0 - held)))).sum()
        moves = (alpha > _BOUNDS[0]) & (alpha < _BOUNDS[1])
        of_alpha = torch.where(moves, of_alpha / math.sqrt(max(x.numel(), 1)), 0.0)
        return gradient * of_x, of_alpha.to(alpha.dtype), None


DSQ = Method("dsq", schedule=EXACT_FORWARD, estimator=SoftQuantiser)
"""``y = stair(x)`` with the gradient of a soft stair of learned temperature (see `SoftQuantiser`).

The gradient of the temperature is divided by the square root of the number of values, as that of a learned scale is.
Left out: the learned clipping bounds (``weight_scale`` and ``activation_scale`` ``"learned"`` are what moves them), and
the balancing of the two losses.
"""
