"""Differentiable soft quantisation."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ana_search.ana.kernels.blocks import Block, blockwise, in_working_precision
from ana_search.ana.methods.base import EXACT_FORWARD, Method, around_threshold, at_most
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
        sums: list[tuple[Tensor, Tensor]] = []
        held = alpha.clamp(*_BOUNDS)
        k, top = 0.5 * torch.log(2.0 / held - 1.0), 1.0 - held  # top = tanh(k)

        def block(part: Tensor, of_gradient: Tensor | None, _place: Block) -> Tensor:
            assert of_gradient is not None
            part = in_working_precision(part)
            u = around_threshold(part, stair)
            inner = at_most(u.abs(), 1.0).mul_(of_gradient)
            # tanh(z) = 1 - 2 / (exp(2 z) + 1), within [-1, 1] where alone it counts, costs a fraction of `torch.tanh`.
            t = (
                u.clamp(-1.0, 1.0)
                .mul_(2.0 * math.log2(math.e) * k)
                .exp2_()
                .add_(1.0)
                .reciprocal_()
                .mul_(-2.0)
                .add_(1.0)
            )
            of_t = (inner * t).sum()
            of_x = t.square_().neg_().add_(1.0).mul_(inner)  # times k / top, further down
            sums.append((of_t, (of_x * u).sum()))
            return of_x.mul_(k / top)

        of_x = blockwise(block, x, gradient)
        of_t, of_u = (torch.stack(each).sum() for each in zip(*sums, strict=True))
        # d phi / d alpha, with dk / d alpha = -1 / (alpha (2 - alpha)) and d top / d alpha = -1.
        of_alpha = half / top * (of_t / top - of_u / (held * (2.0 - held)))
        moves = (alpha > _BOUNDS[0]) & (alpha < _BOUNDS[1])
        of_alpha = torch.where(moves, of_alpha / math.sqrt(max(x.numel(), 1)), 0.0)
        return of_x, of_alpha.to(alpha.dtype), None


DSQ = Method(schedule=EXACT_FORWARD, estimator=SoftQuantiser)
"""``y = stair(x)`` with the gradient of a soft stair of learned temperature (see `SoftQuantiser`).

The gradient of the temperature is divided by the square root of the number of values, as that of a learned scale is.
Left out: the learned clipping bounds (``weight_scale`` and ``activation_scale`` ``"learned"`` are what moves them), and
the balancing of the two losses.
"""
