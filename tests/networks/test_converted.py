"""Networks of users and of the literature: converted, one annealed step, frozen and written, exact to the last code."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from ana_search.ana import Annealer, FloatPartWarning, LayerSchedule, StairFunction, quantise, quantised_layers
from ana_search.data.coding import dyadic_coding
from ana_search.errors import ExportRequestError
from ana_search.export import FrozenNetwork, freeze
from ana_search.export.formats.onnx import to_onnx
from ana_search.export.formats.onnx.floating import float_bytes
from ana_search.export.formats.pt2 import Pt2Format
from ana_search.export.formats.qdq import to_qdq
from ana_search.export.formats.qonnx import to_qonnx
from tests.export import computing
from tests.networks.zoo import CLASSES, ZOO

IMAGES = 64
FORMATS = ["autoencoder", "bi_real", "ecg", "gated", "jets"]
"""Networks that are written in every format; between them they have all operations."""


class Converted:
    """A network after one annealed step, its images, and what it computes of them."""

    def __init__(
        self, network: nn.Module, shape: tuple[int, ...], stair: StairFunction | None = None, images: int = IMAGES
    ) -> None:
        torch.manual_seed(0)
        coding = dyadic_coding([0.5] * shape[0], [0.3] * shape[0])
        assert coding.table is not None
        self.shape, self.table, self.scale = shape, coding.table, coding.scale
        self.pixels = torch.randint(256, (images, *shape), dtype=torch.uint8)
        self.network = quantise(network, stair, stair)
        self._step()
        with torch.no_grad():
            self.wanted = computing.trained(self.network, self.encode, self.pixels, images)

    def encode(self, pixels: Tensor) -> Tensor:
        channel = torch.arange(self.shape[0]).reshape(1, -1, *[1] * (len(self.shape) - 1))
        return self.table[channel, pixels.long()].float() * self.scale

    def _step(self) -> None:
        layers = quantised_layers(self.network)
        annealer = Annealer(self.network, [LayerSchedule(backward="static")] * len(layers))
        annealer.set(0.3)
        optimiser = torch.optim.Adam(self.network.parameters(), 1e-2)
        inputs = self.encode(self.pixels[:8])
        self.network.train()(inputs).square().mean().backward()
        assert all(layer.map.weight.grad is not None for layer in layers)
        optimiser.step()
        annealer.set(1.0)
        for module in self.network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = None
        with torch.no_grad():
            self.network(self.encode(self.pixels))

    def frozen(self) -> FrozenNetwork:
        return freeze(self.network, self.table, self.scale, self.shape)

    def check(self) -> FrozenNetwork:
        """Assert that the frozen network and its ONNX file compute what was trained; return the frozen network."""
        integers = self.frozen()
        computing.assert_same(computing.frozen(integers, self.pixels, len(self.pixels)), self.wanted, "frozen")
        file = to_onnx(integers)
        for optimise in (True, False):
            found = computing.in_onnxruntime(file, self.pixels, len(self.pixels), optimise=optimise)
            computing.assert_same(found, self.wanted, f"ONNX, optimisations {optimise}")
        return integers


@pytest.mark.parametrize("name", ZOO)
def test_users_networks_are_exact(name: str) -> None:
    make, shape = ZOO[name]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FloatPartWarning)  # nothing of them stays in floating point unasked
        converted = Converted(make(), shape)
    integers = converted.check()
    assert len(integers.layers) == sum(len(layer.activations) for layer in quantised_layers(converted.network))
    assert float_bytes(integers) > 0


@pytest.mark.parametrize("bits", [1, 4])
@pytest.mark.parametrize("name", ["resnet8", "gated", "bi_real"])
def test_they_are_exact_with_other_bits(name: str, bits: int) -> None:
    make, shape = ZOO[name]
    torch.manual_seed(1)
    Converted(make(), shape, StairFunction.for_network(bits), 16).check()


@pytest.mark.parametrize("name", FORMATS)
def test_they_are_exact_in_every_format(name: str, tmp_path: Path) -> None:
    make, shape = ZOO[name]
    torch.manual_seed(0)
    converted = Converted(make(), shape, images=8)
    integers, pixels, wanted = converted.frozen(), converted.pixels, converted.wanted
    found = computing.in_onnxruntime(to_qdq(integers), pixels, 8, optimise=True)
    computing.assert_same(found, wanted, "QDQ")
    for each in computing.in_pt2(integers, tmp_path / "network.pt2", pixels, [8, 1]):
        computing.assert_same(each, wanted, "pt2")
    opened = Pt2Format().open(Pt2Format().files(integers, {}).content[".pt2"])
    assert np.array_equal(opened.logits(pixels.numpy()).argmax(1), wanted.predictions)
    computing.assert_same(computing.in_qonnx(to_qonnx(integers), pixels, 8), wanted, "QONNX")


def torchvisions(name: str, **options: bool) -> Callable[[], nn.Module]:
    return lambda: getattr(torchvision.models, name)(num_classes=CLASSES, **options)


TORCHVISION: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "resnet18": (torchvisions("resnet18"), 32),
    "resnet50": (torchvisions("resnet50"), 32),
    "mobilenet_v2": (torchvisions("mobilenet_v2"), 32),
    "mobilenet_v3_small": (torchvisions("mobilenet_v3_small"), 32),
    "squeezenet1_1": (torchvisions("squeezenet1_1"), 48),
    "shufflenet_v2_x0_5": (torchvisions("shufflenet_v2_x0_5"), 32),
    "densenet121": (torchvisions("densenet121"), 32),
    "googlenet": (torchvisions("googlenet", aux_logits=False, init_weights=False), 32),
    "efficientnet_b0": (torchvisions("efficientnet_b0"), 32),
    "vgg16_bn": (torchvisions("vgg16_bn"), 32),
    "alexnet": (torchvisions("alexnet"), 64),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_networks_are_exact(name: str) -> None:
    make, size = TORCHVISION[name]
    torch.manual_seed(0)
    Converted(make(), (3, size, size)).check()


@pytest.mark.slow
def test_convnext_is_refused_by_name() -> None:
    torch.manual_seed(0)
    with pytest.warns(FloatPartWarning, match=r"features\.0\.1 \(layer_norm\): it has no quantised form"):
        converted = Converted(torchvision.models.convnext_tiny(num_classes=CLASSES), (3, 32, 32), images=8)
    with pytest.raises(ExportRequestError, match=r"features\.0\.1"):
        converted.frozen()
