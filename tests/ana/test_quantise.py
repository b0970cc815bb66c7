"""Turning networks into quantised ones: the shipped ones, a user's own, first and last layers, nothing shared."""

import copy

import pytest
import torch
from torch import Tensor, nn

from ana_search.ana import (
    FloatPartWarning,
    QuantActivation,
    QuantMap,
    StairFunction,
    quantise,
    quantised_layers,
)
from ana_search.errors import NetworkError
from ana_search.networks import NETWORKS
from tests.ana.tensors import tensors_of

FOUR = StairFunction.for_network(4)


class Mine(nn.Module):
    """What a user may write: nesting, a module used twice, a shortcut, a submodule that is left alone."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(2, 8, 3, padding=1)
        self.activation = nn.ReLU()
        self.blocks = nn.ModuleDict({"a": nn.ModuleList([nn.Conv1d(8, 8, 1), nn.GELU()]), "b": nn.LayerNorm(10)})
        self.embedding = nn.Embedding(5, 10)
        self.head = nn.Linear(10, 3)

    def forward(self, input: Tensor) -> Tensor:
        x = self.activation(self.stem(input))
        pair = self.blocks["a"]
        assert isinstance(pair, nn.ModuleList)
        convolution, gelu = pair
        x = self.activation(x + gelu(convolution(x)))
        out: Tensor = self.head(self.blocks["b"](x)).mean(1)
        return out


def kinds(module: nn.Module) -> list[str]:
    return [type(part).__name__ for part in module.modules() if not list(part.children()) or isinstance(part, QuantMap)]


@pytest.mark.parametrize("name", ["vgg8", "resnet20"])
def test_every_map_and_activation_but_the_last_map(name: str) -> None:
    network = NETWORKS[name]((3, 32, 32), 10, width=4)
    quantised = quantise(network)
    float_maps = [part for part in quantised.modules() if type(part) in (nn.Conv2d, nn.Linear)]
    assert len(float_maps) == 1
    assert not any(isinstance(part, nn.Hardtanh) for part in quantised.modules())
    layers = quantised_layers(quantised)
    assert [layer.index for layer in layers] == list(range(len(layers)))
    assert all(len(layer.activations) == 1 for layer in layers)
    names = [name for name, part in network.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert [layer.name for layer in layers] == names[:-1]


@pytest.mark.parametrize("name", ["vgg8", "resnet20"])
def test_in_evaluation_all_activations_are_levels(name: str) -> None:
    quantised = quantise(NETWORKS[name]((3, 32, 32), 10, width=4), activations=FOUR).eval()
    seen: list[Tensor] = []
    for layer in quantised_layers(quantised):
        layer.activations[0].register_forward_hook(lambda _module, _args, output: seen.append(output))
        assert torch.isin(layer.map.quantised_weight(), torch.tensor([-1.0, 0.0, 1.0])).all()
    quantised(torch.randn(2, 3, 32, 32))
    assert len(seen) == len(quantised_layers(quantised))
    assert all(torch.isin(output, torch.tensor(FOUR.scaled_levels)).all() for output in seen)


@pytest.mark.parametrize(
    ("first", "last", "maps"),
    [(False, True, [0, 1]), (True, True, [1]), (False, False, [0, 1, 2]), (True, False, [1, 2])],
)
def test_first_and_last_are_kept_or_not(first: bool, last: bool, maps: list[int]) -> None:
    network = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2), nn.Hardtanh())
    quantised = quantise(network, keep_first=first, keep_last=last)
    assert [int(layer.name) // 2 for layer in quantised_layers(quantised)] == maps
    activations = [i for i in range(3) if isinstance(quantised.get_submodule(str(2 * i + 1)), QuantActivation)]
    assert activations == maps


def test_a_users_own_module() -> None:
    torch.manual_seed(0)
    network = Mine()
    with pytest.warns(FloatPartWarning, match=r"blocks\.b \(LayerNorm\): it has no quantised form"):
        quantised = quantise(network, weights=FOUR)
    assert type(quantised).__name__ == "Mine"
    assert [layer.name for layer in quantised_layers(quantised)] == ["stem", "blocks.a.0"]
    # The activation is registered once and used twice: a quantiser each, the second one of the sum's map.
    names = {name for name, part in quantised.named_modules() if isinstance(part, QuantActivation)}
    assert names == {"activation", "blocks.a.1_quantiser", "activation_2", "blocks.b_quantiser"}
    assert [len(layer.activations) for layer in quantised_layers(quantised)] == [1, 3]
    assert isinstance(quantised.get_submodule("blocks.a.1"), nn.GELU)
    assert isinstance(quantised.get_submodule("head"), nn.Linear)
    x = torch.randn(4, 2, 10)
    assert quantised(x).shape == (4, 3)
    quantised(x).sum().backward()
    assert all(layer.map.weight.grad is not None for layer in quantised_layers(quantised))


def test_a_map_in_several_places_stays_one_map() -> None:
    shared_map, shared = nn.Linear(4, 4), nn.Hardtanh()
    network = nn.Sequential(shared_map, shared, shared_map, shared, nn.Linear(4, 2))
    quantised = quantise(network)
    (layer,) = quantised_layers(quantised)
    assert len(layer.activations) == 2
    assert len({id(part) for part in layer.activations}) == 2
    x = torch.randn(3, 4)
    first, second = (part.stair for part in layer.activations)
    weight = layer.map.quantised_weight()
    expected = second(first(x @ weight.T + layer.map.bias) @ weight.T + layer.map.bias)
    assert torch.equal(quantised.eval()(x), network[4](expected))


def test_the_network_itself_may_be_the_map() -> None:
    quantised = quantise(nn.Linear(4, 2), keep_last=False)
    assert isinstance(quantised, QuantMap)
    assert len(quantised_layers(quantised)) == 1


@pytest.mark.parametrize("name", ["vgg8", "resnet20"])
def test_the_original_is_left_alone_and_nothing_is_shared(name: str) -> None:
    network = NETWORKS[name]((3, 16, 16), 10, width=2)
    before = copy.deepcopy(network.state_dict())
    described = repr(network)
    one, other = quantise(network), quantise(network)
    third = copy.deepcopy(one)
    assert repr(network) == described
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])
    tensors = [tensor.data_ptr() for module in (network, one, other, third) for tensor in tensors_of(module).values()]
    assert len(set(tensors)) == len(tensors)
    modules = [id(part) for module in (network, one, other, third) for part in module.modules()]
    assert len(set(modules)) == len(modules)

    kept = {key: value.clone() for key, value in other.state_dict().items()}
    optimiser = torch.optim.SGD(one.parameters(), lr=0.5)
    torch.autograd.backward(one(torch.randn(4, 3, 16, 16)).square().sum())
    optimiser.step()
    quantised_layers(one)[0].map.weight_quantiser.forward_spread.fill_(9.0)
    for key, value in other.state_dict().items():
        assert torch.equal(value, kept[key])
    assert quantised_layers(other)[0].map.weight_quantiser.forward_spread.item() == 0.0


def test_layers_may_have_bits_of_their_own() -> None:
    pairs = [(StairFunction.for_network(w), StairFunction.for_network(a)) for w, a in ((8, 4), (2, 1), (3, 8))]
    network = nn.Sequential(*(part for _ in range(3) for part in (nn.Linear(4, 4), nn.Hardtanh())), nn.Linear(4, 2))
    layers = quantised_layers(quantise(network, layers=pairs))
    assert [(layer.map.weight_stair, layer.activations[0].stair) for layer in layers] == pairs


def test_weights_are_copied_or_drawn_from_the_generator() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    copied = quantise(network, reset=False)
    assert torch.equal(copied.get_parameter("0.weight"), network[0].weight)
    drawn = [quantise(network, generator=torch.Generator().manual_seed(3)).get_parameter("0.weight") for _ in "ab"]
    assert torch.equal(*drawn)
    assert not torch.equal(drawn[0], network[0].weight)
    assert torch.equal(copied.get_parameter("2.weight"), network[2].weight)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_kept(training: bool) -> None:
    quantised = quantise(NETWORKS["digits_cnn"]((1, 8, 8), 10, width=2).train(training))
    assert all(part.training == training for part in quantised.modules())


def test_evaluating_changes_nothing() -> None:
    quantised = quantise(NETWORKS["digits_cnn"]((1, 8, 8), 10, width=2)).eval()
    before = {name: value.clone() for name, value in tensors_of(quantised).items()}
    x = torch.randn(5, 1, 8, 8)
    assert torch.equal(quantised(x), quantised(x))
    for name, value in tensors_of(quantised).items():
        assert torch.equal(value, before[name])


def test_states_go_from_one_network_to_another() -> None:
    network = NETWORKS["vgg8"]((3, 32, 32), 10, width=2)
    one, other = quantise(network).eval(), quantise(network).eval()
    other.load_state_dict(one.state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(one(x), other(x))


@pytest.mark.parametrize(
    ("network", "keep_first"),
    [
        (nn.Sequential(nn.ReLU()), False),
        (nn.Sequential(nn.Linear(2, 2)), False),
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)), True),
    ],
)
def test_nothing_to_quantise_is_an_error(network: nn.Module, keep_first: bool) -> None:
    with pytest.raises(NetworkError, match="no linear map to quantise in Sequential"):
        quantise(network, keep_first=keep_first)


def test_pairs_that_do_not_match_the_layers_are_refused() -> None:
    with pytest.raises(NetworkError, match="one pair for each of the 7 quantised layers, got 2"):
        quantise(NETWORKS["vgg8"]((3, 32, 32), 10, width=2), layers=[(FOUR, FOUR)] * 2)
