"""The scale of a quantiser: the number that its levels and thresholds are multiplied by, fixed or learned.

A quantiser with a scale ``s`` computes ``s * stair(x / s)``. So that an integer runtime can compute exactly what the
trained network computes, the two kinds of scales are rounded differently. A weight's scale, one a tensor or one an
output channel, multiplies the finished sums of integer codes, once, and is any float32. An activation's scale, one a
tensor, multiplies the codes that the next map sums up, and has few significant bits, so that the sums stay exact.
"""

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

__all__ = ["SCALE_KINDS", "Scale", "ScaleKind", "significant_bits"]

ScaleKind = Literal["fixed", "power_of_two", "learned"]
"""Not trained; 2 to the power of a whole number that is learned (TQT); any number that is learned (LSQ)."""

SCALE_KINDS: tuple[ScaleKind, ...] = get_args(ScaleKind)

_LEAST = 2.0**-20
"""No learned scale gets smaller: a smaller one would be a layer of which every value is at its outermost level."""


class Scale(nn.Module):
    """One positive number, or one for each output channel.

    What is trained is the number itself (``"learned"``) or its binary logarithm, of which the next whole number upwards
    is taken (``"power_of_two"``). Both have the gradient of their publications through the rounding, the identity; the
    gradient of a learned scale is divided by ``sqrt(n * Q_P)``, with ``n`` values a scale and ``Q_P`` the highest level
    (Esser et al., ICLR 2020, section 2.2).

    Args:
        kind: see `ScaleKind`.
        channels: number of scales; ``None`` is one 0-d scale.
        significant: bits that the number is rounded to; ``None`` does not round it.
    """

    latent: Tensor
    """The number itself, or its logarithm: a parameter where it is learned, else a buffer."""

    def __init__(self, kind: ScaleKind, channels: int | None = None, *, significant: int | None = None) -> None:
        super().__init__()
        if kind not in SCALE_KINDS:
            raise ValueError(f"`kind` must be one of {', '.join(SCALE_KINDS)}, but got {kind!r}")
        self.kind, self.significant = kind, significant
        shape = () if channels is None else (channels,)
        # Half-way between two powers: the first steps of training do not throw the scale to and fro.
        start = torch.full(shape, -0.5 if kind == "power_of_two" else 1.0)
        if kind == "fixed":
            self.register_buffer("latent", start)
        else:
            self.latent = nn.Parameter(start)

    @property
    def value(self) -> Tensor:
        """The scale as it is now, without a gradient: 0-d, or [channels]."""
        latent = self.latent.detach()
        if self.kind == "power_of_two":
            return torch.exp2(latent.ceil())
        return _rounded(latent.clamp(min=_LEAST), self.significant)

    @torch.no_grad()
    def set(self, value: Tensor | float) -> None:
        """Give the scale a positive value (of its shape, or one for all); a power of two is the nearest one."""
        number = torch.as_tensor(value, dtype=self.latent.dtype, device=self.latent.device)
        if not bool((number > 0).all() & number.isfinite().all()):
            raise ValueError(f"a scale must be positive and finite, but got {number.flatten()[:8].tolist()}")
        if self.kind == "power_of_two":
            number = number.log2().round() - 0.5
        self.latent.copy_(number.expand_as(self.latent))

    def forward(self, count: int, highest: float, quantum: float) -> Tensor:
        """Return the scale with its gradient.

        Args:
            count: values that share one scale.
            highest: the highest level, in quanta.
            quantum: the unit of the levels.
        """
        if self.kind == "fixed":
            return self.value
        if self.kind == "power_of_two":
            value = self.value
            return _value(self.latent, value, value * _LN2)
        # The step of the publication is quantum times the scale: of a scale, so divided, it has the same size.
        gradient_scale = 1.0 / ((max(count, 1) * max(highest, 1.0)) ** 0.5 * quantum * quantum)
        return _value(self.latent, self.value, gradient_scale)

    def extra_repr(self) -> str:
        """Return kind and number of scales."""
        return f"{self.kind}, scales={self.latent.numel()}"


def significant_bits(levels: int) -> int:
    """Return how many bits the scale of activations with so many levels has.

    A float32 sum is exact up to 24 bits. What the codes do not need is the scale's, from 6 bits (3 % from one value to
    the next) for up to 16 levels to 2 bits for 256, where a scale that is a third too large costs least.
    """
    return max(2, min(6, 10 - (levels - 1).bit_length()))


def _rounded(value: Tensor, significant: int | None) -> Tensor:
    """Return positive float32 numbers rounded to so many significant bits, on their bit patterns."""
    if significant is None:
        return value
    dropped = 24 - significant
    bits = value.to(torch.float32).view(torch.int32)
    return (((bits + (1 << (dropped - 1))) >> dropped) << dropped).view(torch.float32).to(value.dtype)


_LN2 = 0.6931471805599453


class _Value(torch.autograd.Function):
    """A value in the place of what it was computed from, with a derivative of our own."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor, value: Tensor, slope: Tensor | float) -> Tensor:
        ctx.slope = slope
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.slope, None, None


def _value(latent: Tensor, value: Tensor, slope: Tensor | float) -> Tensor:
    result: Tensor = _Value.apply(latent, value, slope)
    return result
