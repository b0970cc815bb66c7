"""ResNet-18 (He et al., CVPR 2016, table 1), with projections for shortcuts."""

from torch import Tensor, nn

from ana_search.networks.blocks import convolution
from ana_search.networks.sizes import image_shape

__all__ = ["DEFAULT_WIDTH", "resnet18"]

DEFAULT_WIDTH = 64
_LARGE = 64  # pixels of the shorter side, from which the stem makes the image four times smaller


class ProjectedBlock(nn.Module):
    """Two convolutions and a shortcut; where the shape changes it is a 1x1 convolution with batch norm (option B)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*convolution(inputs, outputs, stride))
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.convolution = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.activation = nn.Hardtanh()

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride), both rounded up."""
        output: Tensor = self.activation(self.norm(self.convolution(self.first(input))) + self.shortcut(input))
        return output


def resnet18(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return a stem, four stages of two residual blocks (64, 128, 256, 512 channels), and a float classifier.

    ``width`` is the first number; the rest goes with it. Images of 64 pixels and more have the paper's stem, 7x7 with
    stride 2 and a pool; smaller ones a 3x3 convolution, as is usual for CIFAR. 20 quantised layers.
    """
    channels, height, across = image_shape("resnet18", input_shape)
    stem: list[nn.Module] = convolution(channels, width)
    if min(height, across) >= _LARGE:
        large = nn.Conv2d(channels, width, kernel_size=7, stride=2, padding=3, bias=False)
        stem = [large, nn.BatchNorm2d(width), nn.Hardtanh(), nn.MaxPool2d(3, stride=2, padding=1)]
    blocks: list[nn.Module] = []
    inputs = width
    for stage in range(4):
        for block in range(2):
            outputs = width << stage
            blocks.append(ProjectedBlock(inputs, outputs, 2 if stage > 0 and block == 0 else 1))
            inputs = outputs
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))
