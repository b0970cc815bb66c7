"""FINN's CNV (Umuroglu et al., FPGA 2017, section 6.1): six convolutions without padding, two hidden linear maps."""

from torch import nn

from ana_search.errors import NetworkError
from ana_search.networks.blocks import linear
from ana_search.networks.sizes import image_shape

__all__ = ["DEFAULT_WIDTH", "cnv"]

DEFAULT_WIDTH = 64
_SMALLEST = 32  # pixels, of which the convolutions and pools leave one


def cnv(input_shape: tuple[int, ...], classes: int, width: int = DEFAULT_WIDTH) -> nn.Module:
    """Return 64, 64, pool, 128, 128, pool, 256, 256, two linear maps of 512, a float classifier.

    ``width`` is the first number; the rest goes with it. Eight quantised layers; images of at least 32 x 32 pixels.
    """
    channels, height, across = image_shape("cnv", input_shape)
    if min(height, across) < _SMALLEST:
        raise NetworkError(
            f"network 'cnv' needs images of at least {_SMALLEST} x {_SMALLEST} pixels, got {height} x {across}"
        )
    modules: list[nn.Module] = []
    inputs = channels
    for stage in range(3):
        outputs = width << stage
        for _ in range(2):
            modules += [nn.Conv2d(inputs, outputs, kernel_size=3, bias=False), nn.BatchNorm2d(outputs), nn.Hardtanh()]
            inputs, height, across = outputs, height - 2, across - 2
        if stage < 2:
            modules.append(nn.MaxPool2d(2))
            height, across = height // 2, across // 2
    hidden = 8 * width
    return nn.Sequential(
        *modules,
        nn.Flatten(),
        *linear(inputs * height * across, hidden),
        *linear(hidden, hidden),
        nn.Linear(hidden, classes),
    )
