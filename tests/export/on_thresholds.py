"""Small random networks whose batch norms put accumulators exactly on the thresholds of the stairs."""

import random
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ana_search.ana import QuantActivation, StairFunction, quantise
from ana_search.data.coding import InputCoding, dyadic_coding

IMAGES = 48
_VARIANCES = [4.0**-60, 1e-30, 1e-12, 0.25, 1.0, 7.3, 4.0**10, 1e12, 1e30]


class Residual(nn.Module):
    """A convolution and its batch norm beside a shortcut, and the activation of their sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.activation = nn.Hardtanh()

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.activation(self.norm(self.convolution(x)) + x)
        return total


@dataclass
class Case:
    """A network in evaluation mode, its images, and how many activation inputs are exactly on a threshold."""

    network: nn.Module
    coding: InputCoding
    pixels: Tensor
    ties: int


def make_case(seed: int) -> Case:
    draw = random.Random(seed)
    torch.manual_seed(seed)
    channels = draw.choice([1, 2, 3])
    pixels = torch.randint(0, 256, (IMAGES, channels, 6, 6), dtype=torch.uint8)
    coding = dyadic_coding([draw.uniform(0.2, 0.8)] * channels, [draw.uniform(0.1, 0.4)] * channels)
    plain, pooled = _architecture(draw, channels)
    shape = plain.eval()(torch.zeros(1, channels, 6, 6)).shape
    hidden = draw.choice([4, 9])
    network = nn.Sequential(
        plain,
        nn.Flatten(),
        nn.Linear(shape[1:].numel(), hidden, bias=draw.random() < 0.3),
        nn.BatchNorm1d(hidden),
        nn.Hardtanh(),
        nn.Linear(hidden, 5),
    )
    count = sum(isinstance(module, nn.Conv2d | nn.Linear) for module in network.modules()) - 1
    stair = _stair(draw, symmetric=pooled)
    network = quantise(
        network, layers=[(StairFunction.for_network(draw.choice(["ternary", 1, 2, 4, 8])), stair)] * count
    )
    network.eval()
    for norm in [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]:
        _tune(draw, network, norm, stair, coding(pixels))
    return Case(network, coding, pixels, _ties(network, stair, coding(pixels)))


def _architecture(draw: random.Random, channels: int) -> tuple[nn.Module, bool]:
    """Return the convolutional part, and whether a pool stands between an activation and its batch norm."""
    width = draw.choice([2, 3, 5]) * channels
    kernel, stride, padding = draw.choice([(3, 1, 1), (3, 2, 1), (1, 1, 0), (2, 1, 0)])
    groups = draw.choice([1, channels])
    first = nn.Conv2d(channels, width, kernel, stride, padding, groups=groups, bias=draw.random() < 0.3)
    norm, pool = nn.BatchNorm2d(width), nn.MaxPool2d(2)
    kind = draw.choice(["after", "between", "before", "none", "residual"])
    order: dict[str, list[nn.Module]] = {
        "after": [first, norm, nn.Hardtanh(), pool],
        "between": [first, norm, pool, nn.Hardtanh()],
        "before": [first, pool, norm, nn.Hardtanh()],
        "none": [first, norm, nn.Hardtanh()],
        "residual": [first, norm, nn.Hardtanh(), Residual(width)],
    }
    return nn.Sequential(*order[kind]), kind == "before"


def _stair(draw: random.Random, *, symmetric: bool) -> StairFunction:
    usual = [StairFunction.for_network(bits) for bits in ("ternary", 1, 2, 3, 4, 8)]
    if symmetric:
        return draw.choice(usual)
    others = [StairFunction.from_bits(bits, signed=False, quantum=0.5) for bits in (1, 2, 4)]
    others += [StairFunction.from_bits(3, balanced=False, quantum=0.25)]
    return draw.choice(usual * 2 + others)


def _tune(draw: random.Random, network: nn.Module, norm: nn.Module, stair: StairFunction, inputs: Tensor) -> None:
    """Set a batch norm so that accumulators which occur in every channel fall on thresholds.

    With half of the channels everything is a power of two and the sum is exact; with the others the result is
    rounded, on a threshold or next to one.
    """
    seen: list[Tensor] = []
    handle = norm.register_forward_hook(lambda _, args, __: seen.append(args[0].transpose(0, 1).flatten(1)))
    with torch.no_grad():
        network(inputs)
    handle.remove()
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.eps = draw.choice([1e-30, 1e-5])
    with torch.no_grad():
        for channel, values in enumerate(seen[0]):
            threshold = draw.choice(stair.scaled_thresholds)
            at = float(values[draw.randrange(len(values))])
            variance = draw.choice(_VARIANCES)
            if draw.random() < 0.5:
                variance, factor = 4.0 ** draw.randint(-3, 3) - norm.eps, 2.0 ** draw.randint(-3, 3)
            else:
                factor = draw.choice([1.0, 1e-4, 1e4, draw.uniform(0.1, 3.0)]) * variance**0.5
            norm.running_var[channel] = variance
            norm.running_mean[channel] = at
            norm.weight[channel] = draw.choice([1, -1, 1, -1, 0]) * factor
            norm.bias[channel] = threshold


def _ties(network: nn.Module, stair: StairFunction, inputs: Tensor) -> int:
    thresholds = torch.tensor(stair.scaled_thresholds)
    count = 0

    def hook(_: nn.Module, arguments: tuple[Tensor]) -> None:
        nonlocal count
        count += int(torch.isin(arguments[0], thresholds).sum())

    handles = [m.register_forward_pre_hook(hook) for m in network.modules() if isinstance(m, QuantActivation)]
    with torch.no_grad():
        network(inputs)
    for handle in handles:
        handle.remove()
    return count
