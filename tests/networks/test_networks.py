"""The networks: shapes, layers, errors, entry points."""

from importlib.metadata import EntryPoint

import pytest
import torch
from torch import nn

from ana_search.ana import quantise, quantised_layers
from ana_search.errors import NetworkError
from ana_search.networks import NETWORKS, build_network, count_layers
from ana_search.networks.resnet import ResidualBlock
from ana_search.plan import NetworkPlan

LAYERS = {
    "digits_cnn": 5, "vgg8": 7, "vgg9": 8, "vgg_small": 6, "resnet8": 7, "resnet14": 13, "resnet20": 19, "resnet32": 31,
    "resnet56": 55, "resnet18": 20, "mobilenet_v1": 27, "ds_cnn": 9, "cnv": 8, "mlp": 3, "autoencoder": 9,
}  # fmt: skip
SMALLEST = {"cnv": (1, 32, 32)}  # others take the digits


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [(1, 33, 32), (3, 32, 32)])
def test_contract(name: str, shape: tuple[int, int, int]) -> None:
    network = build_network(NetworkPlan(name, width=4), input_shape=shape, classes=7)
    assert network(torch.randn(2, *shape)).shape == (2, 7)
    assert count_layers(NetworkPlan(name, width=4), shape, 7) == LAYERS[name]
    quantised = quantise(network)
    layers = quantised_layers(quantised)
    assert len(layers) == LAYERS[name]
    assert all(len(layer.activations) == 1 for layer in layers)
    assert quantised.eval()(torch.randn(2, *shape)).shape == (2, 7)
    maps = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert [m.bias is None for m in maps] == [True] * LAYERS[name] + [False]


def test_vgg8_is_quantlabs_plan() -> None:
    network = build_network(NetworkPlan("vgg8"), input_shape=(3, 32, 32), classes=10)
    maps = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    widths = [m.out_channels if isinstance(m, nn.Conv2d) else m.out_features for m in maps]
    assert widths == [128, 256, 256, 512, 512, 1024, 1024, 10]
    pools = [i for i, m in enumerate(network.modules()) if isinstance(m, nn.MaxPool2d)]
    assert len(pools) == 3


def test_layers_are_counted_without_memory() -> None:
    assert count_layers(NetworkPlan("vgg8", width=100_000), (3, 32, 32), 10) == 7


def test_too_small_images() -> None:
    with pytest.raises(NetworkError, match="at least 8 x 8"):
        build_network(NetworkPlan("vgg8"), input_shape=(3, 4, 4), classes=10)


def test_unknown_name_lists_what_exists() -> None:
    with pytest.raises(NetworkError, match=r"digits_cnn, vgg8, vgg9, vgg_small, .*torchvision:NAME"):
        build_network(NetworkPlan("vgg7"), input_shape=(3, 32, 32), classes=10)


def mine(input_shape: tuple[int, int, int], classes: int, width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, classes))


def test_a_package_adds_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", f"{__name__}:mine", "ana_search.networks")
    monkeypatch.setattr("ana_search.networks.build.entry_points", lambda group: [point])
    assert count_layers(NetworkPlan("mine", width=9), (1, 8, 8), 10) == 1


def test_an_entry_point_that_makes_no_module(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "builtins:dict", "ana_search.networks")
    monkeypatch.setattr("ana_search.networks.build.entry_points", lambda group: [point])
    monkeypatch.setattr(EntryPoint, "load", lambda self: lambda *_: {})
    with pytest.raises(NetworkError, match=r"torch\.nn\.Module"):
        build_network(NetworkPlan("mine"), input_shape=(1, 8, 8), classes=10)


def test_an_entry_point_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", f"{__name__}:not_there", "ana_search.networks")
    monkeypatch.setattr("ana_search.networks.build.entry_points", lambda group: [point])
    with pytest.raises(NetworkError, match=r"entry point '.*:not_there' cannot be loaded"):
        build_network(NetworkPlan("mine"), input_shape=(1, 8, 8), classes=10)


@pytest.mark.parametrize("width", [0, -2])
def test_width_below_one(width: int) -> None:
    with pytest.raises(NetworkError, match=rf"network\.width: got {width}; allowed: 1 or more"):
        build_network(NetworkPlan("vgg8", width=width), input_shape=(3, 32, 32), classes=10)


@pytest.mark.parametrize("name", NETWORKS)
def test_digits_are_large_enough_for_every_network_but_cnv(name: str) -> None:
    shape = SMALLEST.get(name, (1, 8, 8))
    network = build_network(NetworkPlan(name, width=2), input_shape=shape, classes=10)
    assert network(torch.randn(2, *shape)).shape == (2, 10)
    if shape[1] > 8:
        with pytest.raises(NetworkError, match=f"at least {shape[1]} x {shape[2]} pixels, got"):
            build_network(NetworkPlan(name), input_shape=(1, shape[1] - 1, shape[2]), classes=10)


def test_shortcuts_drop_pixels_and_pad_channels() -> None:
    block = ResidualBlock(2, 4, stride=2).eval()
    nn.init.zeros_(block.convolution.weight)
    image = torch.rand(1, 2, 6, 6)
    output = block(image)
    assert torch.equal(output[:, :2], image[:, :, ::2, ::2])
    assert output[:, 2:].abs().max() == 0


def test_resnet20_has_the_layers_of_its_paper() -> None:
    network = build_network(NetworkPlan("resnet20"), input_shape=(3, 32, 32), classes=10)
    maps = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(maps) == 20
    assert [m.out_channels for m in maps[:-1]] == [16] * 7 + [32] * 6 + [64] * 6
    assert sum(m.weight.numel() for m in maps) == 268_336
