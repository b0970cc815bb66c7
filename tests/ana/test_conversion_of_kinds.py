"""Conversion of layers of other kinds, and of networks whose graph is another in training, or is none."""

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

from ana_search.ana import (
    FloatPartWarning,
    QuantActivation,
    QuantConv2d,
    StairFunction,
    float_parts,
    quantise,
    quantised_layers,
)
from ana_search.ana.conversion import stairs
from ana_search.errors import NetworkError
from tests.ana.test_conversion import TERNARY, UNSIGNED, Net, images, stairs_of


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
        def forward(self, x: Tensor) -> Any:
            y = F.relu(self.first(x))
            out: Tensor = self.head(torch.flatten(F.relu(self.second(y)), 1))
            return (out, y) if self.training else out

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
    for signed, wanted in ((False, [UNSIGNED, UNSIGNED]), (True, [TERNARY, TERNARY])):
        with pytest.warns(FloatPartWarning, match="activations have no scales that are learned or fitted"):
            asked = quantise(
                Branching(between=nn.ReLU(), after=nn.Hardtanh()), keep_last=False, signed=signed, scale="learned"
            )
        assert stairs_of(asked)[-1] == wanted
        assert all(a.quantiser.scale is None for layer in quantised_layers(asked) for a in layer.activations)
        assert all(layer.map.weight_quantiser.scale is not None for layer in quantised_layers(asked))


@pytest.mark.parametrize("signed", [True, False])
def test_signs_that_were_asked_for(signed: bool) -> None:
    """With a graph as without: whatever the function that is replaced."""
    quantised = quantise(Net(between=nn.ReLU(), after=nn.Hardtanh()), signed=signed)
    stairs = [stair for each in stairs_of(quantised) for stair in each]
    assert {stair.levels[0] < 0 for stair in stairs} == {signed}


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
