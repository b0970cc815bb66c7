"""The two ends of ``scale * stair(x / scale)``, with gradients that read memory as little as may be.

Written out, autograd would multiply the gradient by the scale behind the stair and divide it by the scale before it,
and make two products as large as the activations to sum them up. Here the gradient passes both ends as it is, and the
gradient of the scale is the sum of two dot products: of the result's gradient with the unscaled result, and of the
argument's gradient with the argument divided by the scale, subtracted.
"""

from typing import Any

import torch
from torch import Tensor

from ana_search.ana.kernels.blocks import in_a_row

__all__ = ["divided", "multiplied", "summed_by_channel"]


def divided(x: Tensor, scale: Tensor) -> Tensor:
    """Return ``x / scale`` for a 0-d scale; its gradient must come from `multiplied`."""
    result: Tensor = _Divided.apply(x, scale)
    return result


def multiplied(unscaled: Tensor, scale: Tensor) -> Tensor:
    """Return ``unscaled * scale`` for a 0-d scale; what ``unscaled`` is made of must come from `divided`.

    Between the two nothing else may learn from the gradient, which lacks the factor there.
    """
    result: Tensor = _Multiplied.apply(unscaled, scale)
    return result


def summed_by_channel(codes: Tensor, scale: Tensor) -> Tensor:
    """Return the codes of weights [out, ...] as they are, of which a map multiplies its sums by ``scale`` [out] or [].

    The gradient of the scale is that of the sums' product with it, found on the weights: a product with the weights'
    gradient, which holds the scale as a factor, in the place of one with sums that are a thousand times as many.
    """
    result: Tensor = _OfWeights.apply(codes, scale)
    return result


class _Divided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor) -> Tensor:
        result = x / scale.to(x.dtype)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        (unscaled,) = ctx.saved_tensors
        return gradient, -_dot(gradient, unscaled) if ctx.needs_input_grad[1] else None


class _Multiplied(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, unscaled: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(unscaled)
        return unscaled * scale.to(unscaled.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        (unscaled,) = ctx.saved_tensors
        return gradient, _dot(gradient, unscaled) if ctx.needs_input_grad[1] else None


class _OfWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, codes: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(codes, scale)
        return codes.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        codes, scale = ctx.saved_tensors
        if not ctx.needs_input_grad[1]:
            return gradient, None
        products = (gradient * codes).to(scale.dtype)
        return gradient, (products.flatten(1).sum(dim=1) if scale.dim() else products.sum()) / scale


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the sum of the products of all elements, 0-d float32."""
    if a.dtype != torch.float32 or b.dtype != torch.float32 or torch.compiler.is_compiling():
        return (a.float() * b.float()).sum()
    if a.stride() != b.stride() or not (a.is_contiguous() or a.is_contiguous(memory_format=torch.channels_last)):
        return torch.dot(a.flatten(), b.flatten())
    return torch.dot(in_a_row(a), in_a_row(b))
