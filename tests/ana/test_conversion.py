"""Conversion by graph: what becomes a layer, where quantisers go, and what is named because it stays float."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ana_search.ana import (
    QuantMap,
    StairFunction,
    float_parts,
    quantise,
    quantised_layers,
)
from ana_search.ana.conversion import stairs

TERNARY = StairFunction.ternary()
UNSIGNED = StairFunction.from_bits(2, signed=False, quantum=0.5)


class Net(nn.Module):
    """Two convolutions, ``between`` them, ``after`` them, and a classifier that is registered first."""

    def __init__(
        self,
        between: Callable[[Tensor], Tensor] = F.relu,
        after: Callable[[Tensor], Tensor] = F.relu,
        second: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.head = nn.Linear(64, 3)
        self.second = second or nn.Conv2d(4, 4, 3, padding=1)
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.between, self.after = between, after

    def forward(self, x: Tensor) -> Tensor:
        y = self.between(self.norm(self.first(x)))
        y = self.after(self.second(y))
        out: Tensor = self.head(torch.flatten(y, 1))
        return out


def images(count: int = 3) -> Tensor:
    """Return images in codes, as data come."""
    return (32 * torch.randn(count, 2, 4, 4, generator=torch.Generator().manual_seed(0))).round() / 32


def stairs_of(network: nn.Module) -> list[list[StairFunction]]:
    return [[each.stair for each in layer.activations] for layer in quantised_layers(network)]


def assert_maps_read_codes(network: nn.Module, x: Tensor) -> None:
    """Assert that whatever a map reads are few levels: multiples of one power of two."""
    read: list[Tensor] = []
    hooks = [
        part.register_forward_pre_hook(lambda _, args: read.append(args[0]))
        for part in network.modules()
        if isinstance(part, QuantMap) or type(part) is nn.Linear
    ]
    with torch.no_grad():
        network.eval()(x)
    for hook in hooks:
        hook.remove()
    assert read
    for value in read:
        assert torch.equal(value * 64, (value * 64).round())
        assert len(value.unique()) <= 256


def test_layers_come_in_order_of_execution() -> None:
    quantised = quantise(Net())
    assert [layer.name for layer in quantised_layers(quantised)] == ["first", "second"]
    assert type(quantised.get_submodule("head")) is nn.Linear
    assert [part.name for part in float_parts(quantised)] == ["head"]
    assert float_parts(copy.deepcopy(quantised)) == float_parts(quantised)


ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], StairFunction]] = {
    "F.relu": (F.relu, UNSIGNED),
    "F.relu in place": (lambda x: F.relu(x, inplace=True), UNSIGNED),
    "torch.relu": (torch.relu, UNSIGNED),
    "x.relu": (lambda x: x.relu(), UNSIGNED),
    "x.relu_": (lambda x: x.relu_(), UNSIGNED),
    "relu6": (F.relu6, UNSIGNED),
    "clamp": (lambda x: x.clamp(0, 6), UNSIGNED),
    "clamp by name": (lambda x: torch.clamp(x, min=0.0), UNSIGNED),
    "clamp, signed": (lambda x: torch.clamp(x, -1, 1), TERNARY),
    "F.hardtanh": (F.hardtanh, TERNARY),
    "F.hardtanh(0, 6)": (lambda x: F.hardtanh(x, 0.0, 6.0), UNSIGNED),
    "Hardtanh(0, 6)": (nn.Hardtanh(0.0, 6.0), UNSIGNED),
    "Hardtanh": (nn.Hardtanh(), TERNARY),
    "ReLU": (nn.ReLU(), UNSIGNED),
    "ReLU6": (nn.ReLU6(), UNSIGNED),
    "x.tanh": (lambda x: x.tanh(), TERNARY),
    "sign": (torch.sign, TERNARY),
    "silu": (F.silu, UNSIGNED),
    "Hardswish": (nn.Hardswish(), UNSIGNED),
    "gelu": (F.gelu, UNSIGNED),
    "sigmoid": (torch.sigmoid, StairFunction.from_bits(2, signed=False, quantum=0.25)),
    "x * sigmoid": (lambda x: x * torch.sigmoid(x), TERNARY),
    "norm alone": (nn.Identity(), TERNARY),
    "LayerNorm": (nn.LayerNorm(4), TERNARY),
    "average": (nn.AvgPool2d(3, 1, 1), TERNARY),
    "average of ReLU": (lambda x: F.avg_pool2d(F.relu(x), 3, 1, 1), UNSIGNED),
}


@pytest.mark.filterwarnings("ignore::ana_search.ana.FloatPartWarning")
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_what_a_map_reads_is_quantised(name: str) -> None:
    function, stair = ACTIVATIONS[name]
    torch.manual_seed(0)
    network = Net(between=function)
    quantised = quantise(network)
    assert stairs_of(quantised)[0][-1] == stair
    assert_maps_read_codes(quantised, images())
    loss = quantised.train()(images()).square().sum()
    loss.backward()
    assert all(layer.map.weight.grad is not None for layer in quantised_layers(quantised))


def test_smooth_functions_are_computed_before_they_are_quantised() -> None:
    quantised = quantise(Net(between=F.silu)).eval()
    x = images()
    (silu,) = (layer.activations for layer in quantised_layers(quantised)[:1])
    seen: list[Tensor] = []
    silu[0].register_forward_hook(lambda _, args, out: seen.extend((args[0], out)))
    quantised(x)
    value = F.silu(quantised.get_submodule("norm")(quantised.get_submodule("first")(x)))
    assert torch.equal(seen[0], value)
    assert torch.equal(seen[1], UNSIGNED(value))


class Block(nn.Module):
    """A residual block as torchvision writes it: one ReLU module for all, a projection, a sum in place."""

    def __init__(self, project: bool = True) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)
        self.conv2, self.bn2 = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)) if project else None

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


def test_a_shared_activation_is_one_quantiser_a_use() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), Block(), Block(False), nn.Flatten(), nn.Linear(32, 3)
    )
    quantised = quantise(network)
    layers = quantised_layers(quantised)
    assert [layer.name for layer in layers] == [
        *("0", "2.conv1", "2.conv2", "2.downsample.0", "3.conv1", "3.conv2"),
    ]
    # The second use belongs to the second convolution; the projection has a quantiser of its own, on the sum's grid.
    assert stairs_of(quantised) == [[UNSIGNED], [UNSIGNED], [UNSIGNED], [TERNARY], [UNSIGNED], [UNSIGNED]]
    assert_maps_read_codes(quantised, images())


def test_terms_of_a_sum_have_one_grid() -> None:
    eight, two = StairFunction.for_network(8), StairFunction.for_network(2)
    pairs = [(TERNARY, two), (TERNARY, two), (TERNARY, two), (TERNARY, eight)]
    network = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), Block(), nn.Flatten(), nn.Linear(32, 3))
    found = stairs_of(quantise(network, layers=pairs))
    assert found[3][0].levels == eight.levels
    assert found[3][0].quantum == found[2][0].quantum == 0.5


class Two(nn.Module):
    """Puts two branches side by side or adds them, in one of several ways."""

    def __init__(self, join: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 1)
        self.join = join
        self.last, self.head = nn.LazyConv2d(3, 1), nn.LazyLinear(2)

    def forward(self, x: Tensor) -> Tensor:
        joined = self.join(self.left(x), F.relu(self.right(x)))
        out: Tensor = self.head(torch.flatten(F.relu(self.last(joined)), 1))
        return out


JOINS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cat": lambda a, b: torch.cat([a, b], 1),
    "cat of sums": lambda a, b: torch.cat([a + b, b], dim=1),
    "sum": lambda a, b: a + b,
    "sum in place": lambda a, b: a.add_(b),
    "three": lambda a, b: torch.add(a, b) + b,
    "twice": lambda a, b: a + a,
    "product": lambda a, b: a * b,
    "chunks": lambda a, b: torch.cat([*(part for part in b.chunk(2, 1)), a[:, :1]], 1),
    "shuffle": lambda a, b: b.view(b.size(0), 2, 2, 4, 4).transpose(1, 2).reshape(b.shape[0], -1, 4, 4) + a,
    "scaled": lambda a, b: 0.5 * a + b,
}


@pytest.mark.parametrize("name", JOINS)
def test_what_joins_branches_gives_codes(name: str) -> None:
    torch.manual_seed(0)
    quantised = quantise(Two(JOINS[name]), example=images())
    assert [layer.name for layer in quantised_layers(quantised)] == ["left", "right", "last"]
    assert_maps_read_codes(quantised, images())
    quantised.train()(images()).sum().backward()


def test_streams_of_sums_have_eight_bits() -> None:
    """Bi-Real: what no quantised map reads, but the next sum does, is not cut to the bits of the activations."""

    class BiReal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.maps = nn.ModuleList(nn.Conv2d(2, 2, 3, padding=1) for _ in range(3))
            self.norms = nn.ModuleList(nn.BatchNorm2d(2) for _ in range(3))
            self.head = nn.Linear(32, 3)

        def forward(self, x: Tensor) -> Tensor:
            for convolution, norm in zip(self.maps, self.norms, strict=True):
                x = norm(convolution(torch.sign(x))) + x
            out: Tensor = self.head(torch.flatten(x, 1))
            return out

    binary = StairFunction.binary()
    found = stairs_of(quantise(BiReal(), binary, binary))
    stream = stairs.for_stream(binary)
    assert len(stream.levels) == 255
    assert found == [[binary, stream, binary], [stream, binary], [stream]]
