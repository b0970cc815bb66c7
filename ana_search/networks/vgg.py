"""VGG8 and VGG9 for small images, after QuantLab's plan."""

from torch import nn

from ana_search.networks.blocks import convolution, linear
from ana_search.networks.sizes import after_pools

__all__ = ["DEFAULT_WIDTH", "vgg8", "vgg9"]

DEFAULT_WIDTH = 128


def vgg8(input_shape: tuple[int, int, int], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return 128, pool, 256, 256, pool, 512, 512, pool, two linear maps of 1024, a float classifier.

    ``width`` is the first number; the rest goes with it. Seven quantised layers; images of at least 8 x 8 pixels.
    """
    return _vgg("vgg8", [(1, 1), (2, 2), (4, 2)], input_shape, classes, width)


def vgg9(input_shape: tuple[int, int, int], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return VGG8 with a second convolution before the first pool. Eight quantised layers."""
    return _vgg("vgg9", [(1, 2), (2, 2), (4, 2)], input_shape, classes, width)


def _vgg(
    name: str, stages: list[tuple[int, int]], input_shape: tuple[int, int, int], classes: int, width: int
) -> nn.Module:
    """Return a VGG whose stages are (multiple of ``width``, number of convolutions), each ended by a pool."""
    inputs = input_shape[0]
    height, across = after_pools(name, input_shape, len(stages))
    modules: list[nn.Module] = []
    for multiple, convolutions in stages:
        for _ in range(convolutions):
            modules += convolution(inputs, multiple * width)
            inputs = multiple * width
        modules.append(nn.MaxPool2d(2))
    hidden = 8 * width
    return nn.Sequential(
        *modules,
        nn.Flatten(),
        *linear(inputs * height * across, hidden),
        *linear(hidden, hidden),
        nn.Linear(hidden, classes),
    )
