"""Depthwise separable networks: MobileNetV1 (Howard et al., 2017) and DS-CNN (Zhang et al., 2017)."""

from torch import nn

from ana_search.networks.blocks import convolution
from ana_search.networks.sizes import image_shape

__all__ = ["DS_CNN_WIDTH", "MOBILENET_WIDTH", "ds_cnn", "mobilenet_v1"]

MOBILENET_WIDTH, DS_CNN_WIDTH = 32, 64
# Table 1 of MobileNets: (multiple of the first map's channels, stride) of every separable block.
_BLOCKS = ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *[(16, 1)] * 5, (32, 2), (32, 1))
_SMALL = 64  # pixels of the shorter side, below which the first map keeps the size of the image


def _separable(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    """Return a 3x3 convolution of each channel by itself and a 1x1 convolution, each with batch norm and hard tanh."""
    return [
        nn.Conv2d(inputs, inputs, kernel_size=3, stride=stride, padding=1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.Hardtanh(),
        nn.Conv2d(inputs, outputs, kernel_size=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.Hardtanh(),
    ]


def mobilenet_v1(
    input_shape: tuple[int, ...], classes: int, width: int = MOBILENET_WIDTH, multiplier: float = 1.0
) -> nn.Module:
    """Return a stem, thirteen separable blocks (to 1024 channels), and a float classifier.

    ``multiplier`` is the paper's: every map has so many times ``width`` channels and its multiples, eight at least
    where it is below 1. 27 quantised layers. The first map has stride 2, but for images of less than 64 pixels.
    """
    channels, height, across = image_shape("mobilenet_v1", input_shape)

    def scaled(multiple: int) -> int:
        return width * multiple if multiplier == 1.0 else max(8, round(width * multiple * multiplier))

    inputs = scaled(1)
    modules = convolution(channels, inputs, 1 if min(height, across) < _SMALL else 2)
    for multiple, stride in _BLOCKS:
        modules += _separable(inputs, scaled(multiple), stride)
        inputs = scaled(multiple)
    return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def ds_cnn(input_shape: tuple[int, ...], classes: int, width: int = DS_CNN_WIDTH) -> nn.Module:
    """Return MLPerf Tiny's network for keywords: a 10x4 convolution with stride 2, four separable blocks, a classifier.

    The input is a spectrogram [1, 49, 10] there, and may be any image here. Nine quantised layers.
    """
    channels, *_ = image_shape("ds_cnn", input_shape)
    modules: list[nn.Module] = [
        nn.Conv2d(channels, width, kernel_size=(10, 4), stride=2, padding=(5, 1), bias=False),
        nn.BatchNorm2d(width),
        nn.Hardtanh(),
    ]
    for _ in range(4):
        modules += _separable(width, width, 1)
    return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
