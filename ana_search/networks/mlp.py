"""Networks of linear maps alone, for inputs of any shape: tables, signals, images."""

import math
from itertools import pairwise

from torch import nn

from ana_search.networks.blocks import linear

__all__ = ["DEFAULT_WIDTH", "autoencoder", "mlp"]

DEFAULT_WIDTH = 128


def mlp(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH, depth: int = 3) -> nn.Module:
    """Return ``depth`` hidden linear maps of ``width`` units and a float classifier.

    FINN's SFC and LFC have three of 256 and of 1024, TFC three of 64. ``depth`` quantised layers.
    """
    sizes = [math.prod(input_shape), *[width] * depth]
    hidden = [module for one, other in pairwise(sizes) for module in linear(one, other)]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(sizes[-1], classes))


def autoencoder(
    input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH, bottleneck: int = 8
) -> nn.Module:
    """Return the body of MLPerf Tiny's autoencoder, four maps of 128, one of 8, four of 128, with a float classifier.

    A study measures accuracy, so that the last map has one output a class, where an autoencoder gives its input back:
    what is learnt is to tell the classes apart through the bottleneck. Nine quantised layers.
    """
    sizes = [math.prod(input_shape), *[width] * 4, bottleneck, *[width] * 4]
    hidden = [module for one, other in pairwise(sizes) for module in linear(one, other)]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(width, classes))
