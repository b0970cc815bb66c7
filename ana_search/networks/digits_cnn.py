"""The small network of the quickstart: four convolutions and one hidden linear map."""

from torch import nn

from ana_search.networks.blocks import convolution, linear
from ana_search.networks.sizes import after_pools

__all__ = ["DEFAULT_WIDTH", "digits_cnn"]

DEFAULT_WIDTH = 16


def digits_cnn(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return conv-conv-pool-conv-conv-pool with ``width`` and then twice as many channels, and 128 hidden units.

    Five quantised layers; every image of at least 4 x 4 pixels will do.
    """
    height, across = after_pools("digits_cnn", input_shape, 2)
    channels = input_shape[0]
    return nn.Sequential(
        *convolution(channels, width),
        *convolution(width, width),
        nn.MaxPool2d(2),
        *convolution(width, 2 * width),
        *convolution(2 * width, 2 * width),
        nn.MaxPool2d(2),
        nn.Flatten(),
        *linear(2 * width * height * across, 8 * width),
        nn.Linear(8 * width, classes),
    )
