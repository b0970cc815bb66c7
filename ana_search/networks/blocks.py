"""The block that the networks are made of: a linear map, batch norm, an activation function."""

from torch import nn

__all__ = ["convolution", "linear"]


def convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    """Return a 3x3 convolution without bias, its batch norm, and the activation (hard tanh)."""
    return [
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.Hardtanh(),
    ]


def linear(inputs: int, outputs: int) -> list[nn.Module]:
    """Return a linear map without bias, its batch norm, and the activation (hard tanh)."""
    return [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.Hardtanh()]
