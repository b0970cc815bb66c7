"""Quantised layers: linear maps with quantised weights, and the quantised activation."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from ana_search.ana.quantiser import Quantiser
from ana_search.ana.stairs import StairFunction

__all__ = [
    "QuantActivation",
    "QuantConv1d",
    "QuantConv2d",
    "QuantConv3d",
    "QuantLinear",
    "QuantMap",
    "QuantisedLayer",
]


class QuantMap(nn.Module):
    """What every quantised linear map has; a bias, if there is one, stays in floating point.

    The float ``weight`` is trained; the map computes with its regularised stair (training) or its stair
    (evaluation), and multiplies the finished sums by the scale of the weights, if there is one. The bias is added to
    the finished sum too: a kernel that starts its sum from the bias rounds every partial sum, in an order that depends
    on the memory format, where the sum of integers alone is exact.
    """

    weight: Tensor
    weight_quantiser: Quantiser
    position: tuple[int, int] | None = None
    """The layer's number and 0, where `quantise` made it; see `QuantActivation.position`."""

    @property
    def weight_stair(self) -> StairFunction:
        """The stair of the weights."""
        return self.weight_quantiser.stair

    def quantised_weight(self) -> Tensor:
        """Return the exact stair of the weight, quantum and scale included: what evaluation computes with."""
        codes, scale = self.weight_quantiser.exact_parts(self.weight)
        return codes if scale is None else codes * scale

    def unscaled_weight(self) -> Tensor:
        """Return the exact stair of the weight without its scale, which multiplies the finished sums."""
        return self.weight_quantiser.exact_parts(self.weight)[0]

    def _finished(self, total: Tensor, scale: Tensor | None, bias: Tensor | None) -> Tensor:
        """Return sums [N, out, ...] of integer codes times the scale of their weights, plus the bias.

        Both come after the sum, which is exact.
        """
        shape = (-1, *[1] * (self.weight.dim() - 2))
        if scale is not None:
            total = total * scale.to(total.dtype).reshape(shape)
        return total if bias is None else total + bias.to(total.dtype).reshape(shape)

    def reset_weight(self, mean: float = 0.0, generator: torch.Generator | None = None) -> None:
        """Draw the float weights anew, near the stair's thresholds.

        Every weight is a random threshold, plus a uniform perturbation of half-width ``1 / sqrt(fan_in)`` steps,
        plus the mean that the noise starts from, in steps too (Spallanzani, Leonardi and Benini, CVPR 2022,
        section 5, for stairs whose step is 1). Drawn in double precision on the generator's device (the CPU by
        default), so that all devices and precisions start from the same weights.
        """
        if self.weight.is_meta:
            return
        stair, shape = self.weight_stair, self.weight.shape
        device = generator.device if generator is not None else torch.device("cpu")
        fan_in = max(math.prod(shape[1:]), 1)
        thresholds = torch.tensor(stair.thresholds, dtype=torch.float64, device=device)
        which = torch.randint(len(stair.thresholds), shape, generator=generator, device=device)
        around = torch.rand(shape, generator=generator, dtype=torch.float64, device=device)
        step = stair.step / stair.quantum
        drawn = thresholds[which] + ((2.0 * around - 1.0) / fan_in**0.5 + mean) * step
        with torch.no_grad():
            drawn = drawn * stair.quantum
            if self.weight_quantiser.scale is not None:
                scale = self.weight_quantiser.scale.value.to(drawn)
                drawn = drawn * scale.reshape(-1, *[1] * (drawn.dim() - 1))
            self.weight.copy_(drawn)

    def _adopt(self, module: nn.Module, stair: StairFunction) -> Self:
        """Take over the parameters of ``module``, as copies."""
        with torch.no_grad():
            for name, value in module.named_parameters():
                self.get_parameter(name).copy_(value).requires_grad_(value.requires_grad)
        self.weight_quantiser = Quantiser(stair).to(self.weight.device)
        return self.train(module.training)


class QuantLinear(QuantMap, nn.Linear):
    """`torch.nn.Linear` with quantised weights."""

    @classmethod
    def from_float(cls, module: nn.Linear, stair: StairFunction) -> Self:
        """Return a quantised copy of ``module``, sharing nothing with it."""
        weight, bias = module.weight, module.bias is not None
        new = cls(module.in_features, module.out_features, bias, device=weight.device, dtype=weight.dtype)
        return new._adopt(module, stair)

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input @ weight.T + bias`` with the quantised weight."""
        weight, scale = self.weight_quantiser.parts(self.weight)
        return self._finished(functional.linear(input, weight), scale, self.bias)


class _QuantConv(QuantMap):
    """What the convolutions of all dimensions have in common."""

    bias: Tensor | None
    _conv_forward: Any  # of PyTorch's convolutions

    @classmethod
    def from_float(cls, module: nn.Conv1d | nn.Conv2d | nn.Conv3d, stair: StairFunction) -> Self:
        """Return a quantised copy of ``module``, sharing nothing with it."""
        names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
        arguments = {name: getattr(module, name) for name in (*names, "padding_mode")}
        weight, bias = module.weight, module.bias is not None
        return cls(**arguments, bias=bias, device=weight.device, dtype=weight.dtype)._adopt(module, stair)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of ``input`` with the quantised weight."""
        weight, scale = self.weight_quantiser.parts(self.weight)
        return self._finished(self._conv_forward(input, weight, None), scale, self.bias)


class QuantConv1d(_QuantConv, nn.Conv1d):
    """`torch.nn.Conv1d` with quantised weights."""


class QuantConv2d(_QuantConv, nn.Conv2d):
    """`torch.nn.Conv2d` with quantised weights."""


class QuantConv3d(_QuantConv, nn.Conv3d):
    """`torch.nn.Conv3d` with quantised weights."""


class QuantActivation(nn.Module):
    """A quantised activation function: the regularised stair (training) or the stair (evaluation)."""

    position: tuple[int, int] | None = None
    """The number of its layer and its place in the order of execution, where `quantise` made it."""
    grid: int | None = None
    """Activations of one grid must share one scale, since their codes are added; ``None`` must not have any."""
    replaces: Callable[[Tensor], Tensor] | None = None
    """The function of the network in floating point that this stands for; ``None``: what was quantised as it was."""

    def __init__(self, stair: StairFunction) -> None:
        super().__init__()
        self.quantiser = Quantiser(stair, batched=True)

    @property
    def stair(self) -> StairFunction:
        """The stair of the activation."""
        return self.quantiser.stair

    @property
    def quantum(self) -> float:
        """What one step of the integer codes is worth: the stair's quantum times the scale."""
        scale = self.quantiser.scale
        return self.stair.quantum * (1.0 if scale is None else float(scale.value))

    def forward(self, input: Tensor) -> Tensor:
        """Return the quantised ``input``, of the same shape."""
        result: Tensor = self.quantiser(input)
        return result


@dataclass(frozen=True)
class QuantisedLayer:
    """A quantised linear map and the quantised activations that its result reaches before the next one."""

    index: int
    name: str
    map: QuantMap
    activations: tuple[QuantActivation, ...]
