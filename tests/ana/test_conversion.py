"""Conversion by graph: what becomes a layer, where quantisers go, and what is named because it stays float."""

import copy
import warnings
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

from ana_search.ana import (
    FloatPartWarning,
    QuantActivation,
    QuantConv2d,
    QuantMap,
    StairFunction,
    float_parts,
    quantise,
    quantised_layers,
)
from ana_search.ana.conversion import stairs
from ana_search.errors import NetworkError

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


class Doubled(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return 2.0 * super().forward(F.pad(input, (1, 0, 1, 0)))


class Same(nn.Conv2d):
    """A subclass that computes the same."""


class Squared(nn.ReLU):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).square()


class Standardised(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight - self.weight.mean(), self.bias)


def test_subclasses_keep_their_forward_pass() -> None:
    torch.manual_seed(0)
    network = Net(second=Doubled(4, 4, 2))
    quantised = quantise(network, reset=False).eval()
    second = quantised.get_submodule("second")
    assert type(second) is QuantConv2d
    seen: list[Tensor] = []
    second.register_forward_hook(lambda _, args, out: seen.extend((args[0], out)))
    quantised(images())
    assert seen[0].shape[-2:] == (5, 5)
    last = quantised_layers(quantised)[1].activations[0]
    taken: list[Tensor] = []
    last.register_forward_hook(lambda _, args, out: taken.append(args[0]))
    quantised(images())
    assert torch.equal(taken[0], 2.0 * seen[1])
    same = quantise(Net(second=Same(4, 4, 3, padding=1)))
    assert type(same.get_submodule("second")) is QuantConv2d


def test_subclasses_that_cannot_be_kept_are_named() -> None:
    with pytest.warns(FloatPartWarning, match=r"second \(conv2d\): a map on a computed weight is not quantised"):
        quantised = quantise(Net(second=Standardised(4, 4, 3, padding=1)))
    assert [layer.name for layer in quantised_layers(quantised)] == ["first"]
    with pytest.warns(FloatPartWarning, match=r"between \(square\): it has no quantised form"):
        quantise(Net(between=Squared()))


def test_functions_on_parameters_are_maps() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.randn(4, 6)), nn.Parameter(torch.randn(4))
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(torch.tanh(F.linear(x, self.weight, bias=self.bias)))
            return out

    network = Functional()
    quantised = quantise(network, reset=False).eval()
    (layer,) = quantised_layers(quantised)
    assert layer.name == "weight_map"
    x = torch.randn(5, 6)
    wanted = network.head(TERNARY(F.linear(x, TERNARY(network.weight)) + network.bias))
    assert torch.equal(quantised(x), wanted)


def test_tied_weights_stay_tied() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    network[2].weight = network[0].weight
    network[4].bias = network[0].bias
    quantised = quantise(network)
    assert quantised.get_submodule("0").weight is quantised.get_submodule("2").weight
    assert quantised.get_submodule("0").bias is quantised.get_submodule("4").bias
    assert quantised.get_submodule("0").weight is not network[0].weight


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm", "orthogonal", "old weight_norm", "pruned"])
def test_parametrised_layers_are_materialised(kind: str) -> None:
    apply: dict[str, Callable[[nn.Module], object]] = {
        "weight_norm": parametrizations.weight_norm,
        "spectral_norm": parametrizations.spectral_norm,
        "orthogonal": parametrizations.orthogonal,
        "old weight_norm": nn.utils.weight_norm,
        "pruned": lambda part: prune.l1_unstructured(part, "weight", 0.5),
    }
    network = nn.Sequential(nn.Linear(4, 4), nn.Hardtanh(), nn.Linear(4, 2)).eval()
    apply[kind](network[0])
    weight = network[0].weight.detach().clone()
    with pytest.warns(FloatPartWarning, match=r"0 \(.*Linear\): its (parametrisation|weight norm|pruning mask)"):
        quantised = quantise(network, reset=False)
    (layer,) = quantised_layers(quantised)
    assert torch.equal(layer.map.weight.detach(), weight)
    assert {name for name, _ in layer.map.named_parameters()} == {"weight", "bias"}


def test_lazy_layers_need_an_example() -> None:
    network = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2))
    with pytest.raises(NetworkError, match=r"0 is lazy: .*example="):
        quantise(network)
    assert quantise(network, example=torch.zeros(2, 7)).get_submodule("0").weight.shape == (4, 7)
    assert network[0].has_uninitialized_params()


def test_dropout_is_off_in_evaluation_alone() -> None:
    class Dropping(Net):
        def forward(self, x: Tensor) -> Tensor:
            y = F.relu(self.second(F.dropout(F.relu(self.first(x)), 0.5, self.training)))
            out: Tensor = self.head(torch.flatten(y, 1))
            return out

    quantised = quantise(Dropping())
    assert any(isinstance(part, nn.Dropout) for part in quantised.modules())
    x = images()
    assert torch.equal(quantised.eval()(x), quantised(x))
    torch.manual_seed(0)
    assert not torch.equal(quantised.train()(x), quantised(x))


def test_what_depends_on_the_mode_is_left_whole() -> None:
    class DropPath(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 0.0 if self.training else x

    quantised = quantise(Net(between=nn.Sequential(nn.ReLU(), DropPath())))
    x = images()
    y = quantised.train()(x)
    assert torch.equal(y[0], y[1])  # nothing of the image is left
    assert not torch.equal(quantised.eval()(x)[0], quantised(x)[1])


def test_other_outputs_in_training_are_left_out() -> None:
    class Auxiliary(Net):
        def forward(self, x: Tensor) -> Tensor:
            y = F.relu(self.first(x))
            out: Tensor = self.head(torch.flatten(F.relu(self.second(y)), 1))
            return (out, y) if self.training else out  # type: ignore[return-value]

    with pytest.warns(FloatPartWarning, match="what it does in training alone"):
        quantised = quantise(Auxiliary())
    assert quantised.train()(images()).shape == (3, 3)


def test_a_network_without_a_graph_is_converted_by_module() -> None:
    class Branching(Net):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x if x.sum() > 0 else -x)

    with pytest.warns(FloatPartWarning, match="its forward pass has no graph .*in order of registration"):
        quantised = quantise(Branching(between=nn.ReLU(), after=nn.Hardtanh()), keep_last=False)
    assert isinstance(quantised, Branching)
    assert [layer.name for layer in quantised_layers(quantised)] == ["head", "second", "first"]
    assert stairs_of(quantised) == [[], [], [UNSIGNED, TERNARY]]


def test_no_warning_for_what_was_asked() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = quantise(
            nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)), keep_first=True
        )
    assert [(part.name, part.reason, part.asked) for part in float_parts(network)] == [
        ("0", "keep_first=True", True),
        ("4", "keep_last=True", True),
    ]


@pytest.mark.parametrize("bits", range(1, 9))
def test_signed_and_unsigned_stairs_have_as_many_bits(bits: int) -> None:
    signed, unsigned = StairFunction.for_network(bits), stairs.unsigned(StairFunction.for_network(bits))
    assert unsigned.levels == tuple(range(2**bits))
    assert stairs.signed(unsigned) == signed
    assert stairs.unsigned(unsigned) is unsigned
    assert stairs.signed(signed) is signed
    assert all(a < b for a, b in pairwise(unsigned.scaled_levels))


def test_the_same_network_is_quantised_on_the_meta_device() -> None:
    with torch.device("meta"):
        network = quantise(Net(between=F.silu), reset=False)
    assert [layer.name for layer in quantised_layers(network)] == ["first", "second"]
    assert sum(isinstance(part, QuantActivation) for part in network.modules()) == 2
