"""What has no integer form is refused, with the name of the operation; the network itself is left alone."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ana_search.ana import QuantActivation, StairFunction, quantise
from ana_search.data.coding import dyadic_coding
from ana_search.errors import ExportRequestError
from ana_search.export import FrozenNetwork, freeze

CODING = dyadic_coding([0.5], [0.3])
SHAPE = (1, 6, 6)
TERNARY = StairFunction.ternary()


def frozen(network: nn.Module) -> FrozenNetwork:
    assert CODING.table is not None
    return freeze(network.eval(), CODING.table, CODING.scale, SHAPE)


def block(inputs: int = 1, outputs: int = 4) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.Hardtanh()]


def head(features: int = 4 * 36) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(features, 3)]


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(*block(), *head())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) if x.sum() > 0 else self.body(-x)


class Unquantised(nn.Module):
    """Adds the outputs of two maps, neither of which is quantised."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = (quantise(nn.Conv2d(1, 4, 3, padding=1), keep_last=False) for _ in "ab")
        self.rest = nn.Sequential(QuantActivation(TERNARY), *head())

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self.one(x) + self.other(x))


class Sine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Sequential(*block()), nn.Sequential(*head())

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.sin(self.body(x)))


def pooled_and_falling() -> nn.Module:
    """A pool before a batch norm with a negative factor, and levels that are not symmetric."""
    network = quantise(
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(4), nn.Hardtanh(), *head(36)),
        TERNARY,
        StairFunction([0, 1, 3], [0.5, 2]),
    )
    with torch.no_grad():
        network.get_submodule("2").get_parameter("weight").fill_(-1.0)
    return network


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "branch": (lambda: quantise(Branches()), "Branches cannot be exported: its forward pass cannot be traced"),
    "float map": (
        lambda: quantise(nn.Sequential(*block(), *block(4), *head()), keep_first=True),
        "a floating-point|Conv2d has no integer form",
    ),
    "two maps": (Unquantised, "add.*: one term of a sum must be quantised"),
    "sine": (lambda: quantise(Sine()), "sin.*it has no integer form; allowed are"),
    "no codes": (lambda: nn.Sequential(*block(), *head()), "Conv2d has no integer form"),
    "quantum": (
        lambda: quantise(nn.Sequential(*block(), *head()), TERNARY, StairFunction.ternary(quantum=0.3)),
        "quantum 0.3; allowed are integers in 8 bits and a power of two",
    ),
    "levels": (
        lambda: quantise(nn.Sequential(*block(), *head()), TERNARY, StairFunction([0, 0.5, 2], [0.2, 1])),
        "allowed are integers in 8 bits",
    ),
    "falling": (pooled_and_falling, "negative factors after max-pooling needs symmetric levels"),
    "reflection": (
        lambda: quantise(
            nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect"), nn.Hardtanh(), *head()),
        ),
        "mode 'reflect'; allowed are zeros",
    ),
}


@pytest.mark.filterwarnings("ignore::ana_search.ana.FloatPartWarning")
@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str) -> None:
    make, reason = REFUSED[kind]
    with pytest.raises(ExportRequestError, match=reason):
        frozen(make())


def test_the_network_is_left_alone() -> None:
    torch.manual_seed(0)
    network = quantise(nn.Sequential(*block(), *head())).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert CODING.table is not None
    freeze(network, CODING.table, CODING.scale, SHAPE)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_layers_are_named_after_their_activations() -> None:
    """An activation that is called twice is two quantisers; a quantiser that is called twice is two layers."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 4, 3, padding=1)
            self.activation, self.head = nn.Hardtanh(), nn.Sequential(*head())

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.activation(self.other(self.activation(self.one(x)))))

    network = quantise(Twice())
    assert isinstance(network.get_submodule("activation"), QuantActivation)
    assert frozen(network).layers == ["activation", "activation_2"]
    network.add_module("activation_2", network.get_submodule("activation"))
    assert frozen(network).layers == ["activation", "activation#2"]


def test_bits_count_what_each_layer_needs() -> None:
    torch.manual_seed(0)
    stairs = [(StairFunction.for_network(bits), TERNARY) for bits in ("ternary", 4, 8)]
    network = quantise(nn.Sequential(*block(), *block(4), *block(4), *head()), layers=stairs)
    # Weights near all thresholds reach the outermost levels, so that no layer can do with fewer bits.
    assert frozen(network).bits == 9 * (2 * 4 + 4 * 16 + 8 * 16)
