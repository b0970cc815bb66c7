"""Quantised layers: linear maps with quantised weights, and the quantised activation."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ana_search.ana.quantiser import Quantiser
from ana_search.ana.stairs import StairFunction

__all__ = ["QuantActivation", "QuantConv1d", "QuantConv2d", "QuantConv3d", "QuantLinear", "QuantMap"]


class QuantMap(nn.Module):
    """What every quantised linear map has; a bias, if there is one, stays in floating point.

    The float ``weight`` is trained; the map computes with its regularised stair (training) or its stair
    (evaluation).
    """

    weight: nn.Parameter
    weight_quantiser: Quantiser

    @property
    def weight_stair(self) -> StairFunction:
        """The stair of the weights."""
        return self.weight_quantiser.stair

    def quantised_weight(self) -> Tensor:
        """Return the exact stair of the weight, quantum included: what evaluation computes with."""
        return self.weight_stair(self.weight.detach())

    def reset_weight(self, mean: float = 0.0, generator: torch.Generator | None = None) -> None:
        """Draw the float weights anew, near the stair's thresholds.

        Every weight is a random threshold, plus a uniform perturbation of half-width ``1 / sqrt(fan_in)``, plus
        the mean that the noise starts from, all in quanta (Spallanzani, Leonardi and Benini, CVPR 2022,
        section 5). Drawn in double precision on the generator's device (the CPU by default), so that all
        devices and precisions start from the same weights.
        """
        if self.weight.is_meta:
            return
        stair, shape = self.weight_stair, self.weight.shape
        device = generator.device if generator is not None else torch.device("cpu")
        fan_in = self.weight[0].numel()
        thresholds = torch.tensor(stair.thresholds, dtype=torch.float64, device=device)
        which = torch.randint(len(stair.thresholds), shape, generator=generator, device=device)
        around = torch.rand(shape, generator=generator, dtype=torch.float64, device=device)
        drawn = thresholds[which] + (2.0 * around - 1.0) / fan_in**0.5 + mean
        with torch.no_grad():
            self.weight.copy_(drawn * stair.quantum)


class QuantLinear(QuantMap, nn.Linear):
    """`torch.nn.Linear` with quantised weights."""

    @classmethod
    def from_float(cls, module: nn.Linear, stair: StairFunction) -> "QuantLinear":
        """Return a quantised copy of ``module``, sharing nothing with it."""
        new = cls(
            module.in_features,
            module.out_features,
            module.bias is not None,
            device=module.weight.device,
            dtype=module.weight.dtype,
        )
        return _adopt(new, module, stair)

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input @ weight.T + bias`` with the quantised weight."""
        return functional.linear(input, self.weight_quantiser(self.weight), self.bias)


class _QuantConv(QuantMap):
    """The part that the convolutions share."""

    @classmethod
    def from_float(cls, module: nn.Module, stair: StairFunction):  # type: ignore[no-untyped-def]
        """Return a quantised copy of ``module``, sharing nothing with it."""
        new = cls(
            module.in_channels,
            module.out_channels,
            module.kernel_size,
            module.stride,
            module.padding,
            module.dilation,
            module.groups,
            module.bias is not None,
            module.padding_mode,
            device=module.weight.device,
            dtype=module.weight.dtype,
        )
        return _adopt(new, module, stair)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of ``input`` with the quantised weight."""
        return self._conv_forward(input, self.weight_quantiser(self.weight), self.bias)


class QuantConv1d(_QuantConv, nn.Conv1d):
    """`torch.nn.Conv1d` with quantised weights."""


class QuantConv2d(_QuantConv, nn.Conv2d):
    """`torch.nn.Conv2d` with quantised weights."""


class QuantConv3d(_QuantConv, nn.Conv3d):
    """`torch.nn.Conv3d` with quantised weights."""


class QuantActivation(nn.Module):
    """A quantised activation function: the regularised stair (training) or the stair (evaluation)."""

    def __init__(self, stair: StairFunction) -> None:
        super().__init__()
        self.quantiser = Quantiser(stair)

    @property
    def stair(self) -> StairFunction:
        """The stair of the activation."""
        return self.quantiser.stair

    def forward(self, input: Tensor) -> Tensor:
        """Return the quantised ``input``."""
        return self.quantiser(input)


def _adopt(new, old, stair):
    with torch.no_grad():
        for parameter, value in zip(new.parameters(), old.parameters(), strict=True):
            parameter.copy_(value)
            parameter.requires_grad_(value.requires_grad)
    new.weight_quantiser = Quantiser(stair).to(old.weight.device)
    return new.train(old.training)
