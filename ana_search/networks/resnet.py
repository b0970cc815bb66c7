"""Residual networks for small images (He et al., CVPR 2016, section 4.2), with parameter-free shortcuts."""

from torch import Tensor, nn
from torch.nn import functional

from ana_search.networks.blocks import convolution
from ana_search.networks.sizes import after_pools

__all__ = ["DEFAULT_WIDTH", "resnet", "resnet8", "resnet14", "resnet20", "resnet32", "resnet56"]

DEFAULT_WIDTH = 16


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut; a larger stride drops pixels and pads channels with zeros (option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.new_channels = outputs - inputs
        self.first = nn.Sequential(*convolution(inputs, outputs, stride))
        self.convolution = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.activation = nn.Hardtanh()

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        shortcut = input
        if self.stride > 1:
            shortcut = shortcut[:, :, :: self.stride, :: self.stride]
        if self.new_channels:
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, 0, self.new_channels))
        output: Tensor = self.activation(self.norm(self.convolution(self.first(input))) + shortcut)
        return output


def resnet(depth: int, input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return a stem, three stages of (depth - 2) / 6 residual blocks (16, 32, 64 channels), and a float classifier.

    ``width`` is the first number; the rest goes with it. ``depth`` - 1 quantised layers; images of at least 4 x 4
    pixels.
    """
    after_pools(f"resnet{depth}", input_shape, 2)
    blocks: list[nn.Module] = []
    inputs = width
    for stage in range(3):
        for block in range((depth - 2) // 6):
            outputs = width << stage
            blocks.append(ResidualBlock(inputs, outputs, 2 if stage > 0 and block == 0 else 1))
            inputs = outputs
    return nn.Sequential(
        *convolution(input_shape[0], width),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(inputs, classes),
    )


def resnet8(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return ResNet-8, one block a stage (MLPerf Tiny's has projections for shortcuts)."""
    return resnet(8, input_shape, classes, width)


def resnet14(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return ResNet-14, two blocks a stage."""
    return resnet(14, input_shape, classes, width)


def resnet20(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return ResNet-20, three blocks a stage."""
    return resnet(20, input_shape, classes, width)


def resnet32(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return ResNet-32, five blocks a stage."""
    return resnet(32, input_shape, classes, width)


def resnet56(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return ResNet-56, nine blocks a stage."""
    return resnet(56, input_shape, classes, width)
