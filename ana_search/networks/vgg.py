"""VGGs for small images: QuantLab's VGG8 and VGG9, and the VGG-Small of the literature on few bits."""

from torch import nn

from ana_search.networks.blocks import convolution, linear
from ana_search.networks.sizes import after_pools

__all__ = ["DEFAULT_WIDTH", "vgg8", "vgg9", "vgg_small"]

DEFAULT_WIDTH = 128


def vgg8(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return 128, pool, 256, 256, pool, 512, 512, pool, two linear maps of 1024, a float classifier.

    ``width`` is the first number; the rest goes with it. Seven quantised layers; images of at least 8 x 8 pixels.
    """
    return _vgg("vgg8", [(1, 1), (2, 2), (4, 2)], input_shape, classes, width)


def vgg9(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return VGG8 with a second convolution before the first pool. Eight quantised layers."""
    return _vgg("vgg9", [(1, 2), (2, 2), (4, 2)], input_shape, classes, width)


def vgg_small(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return 128, 128, pool, 256, 256, pool, 512, 512, pool, and a float classifier: no hidden linear map.

    After Zhang et al., LQ-Nets (ECCV 2018), section 5.1. Six quantised layers.
    """
    return _vgg("vgg_small", [(1, 2), (2, 2), (4, 2)], input_shape, classes, width, hidden_maps=0)


def _vgg(
    name: str,
    stages: list[tuple[int, int]],
    input_shape: tuple[int, ...],
    classes: int,
    width: int,
    hidden_maps: int = 2,
) -> nn.Module:
    """Return a VGG whose stages are (multiple of ``width``, number of convolutions), each ended by a pool."""
    height, across = after_pools(name, input_shape, len(stages))
    inputs = input_shape[0]
    modules: list[nn.Module] = []
    for multiple, convolutions in stages:
        for _ in range(convolutions):
            modules += convolution(inputs, multiple * width)
            inputs = multiple * width
        modules.append(nn.MaxPool2d(2))
    modules.append(nn.Flatten())
    features = inputs * height * across
    for _ in range(hidden_maps):
        modules += linear(features, 8 * width)
        features = 8 * width
    return nn.Sequential(*modules, nn.Linear(features, classes))
