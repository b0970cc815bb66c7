"""Every operation that a network may use is frozen exactly, or refused by name: a table of modules and calls."""

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ana_search.ana import QuantActivation, StairFunction, quantise
from ana_search.data.coding import dyadic_coding
from ana_search.errors import ExportRequestError
from ana_search.export import FrozenNetwork, freeze
from ana_search.export.formats.onnx import to_onnx
from ana_search.export.formats.qdq import to_qdq
from ana_search.export.freeze.handlers import HANDLERS
from ana_search.export.integer.operations import MaxPool
from tests.export import computing

CODING = dyadic_coding([0.5] * 2, [0.3] * 2)
SHAPE = (2, 8, 8)
CHANNELS = 4
IN_C = {"max_pool", "window_sum", "global_sum", "add", "subsample", "pad_channels"}


class Network(nn.Module):
    """A quantised convolution to [4, 8, 8], ``before`` its activation, ``inside`` after it, and a classifier."""

    def __init__(
        self,
        inside: Callable[[Tensor], Tensor] | None = None,
        before: Callable[[Tensor], Tensor] | None = None,
        convolution: nn.Module | None = None,
        stair: StairFunction | None = None,
        end: Callable[[Tensor], Tensor] | None = None,
        head: nn.Module | None = None,
    ) -> None:
        super().__init__()
        stair = stair or StairFunction.for_network(3)
        plain = nn.Sequential(convolution or nn.Conv2d(2, CHANNELS, 3, padding=1, bias=False), nn.Linear(1, 1))
        self.convolution = quantise(plain, StairFunction.for_network(3), stair).get_submodule("0")
        self.norm, self.activation = nn.BatchNorm2d(CHANNELS), QuantActivation(stair)
        self.inside, self.before, self.end = inside, before, end
        self.head = head or nn.LazyLinear(5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.convolution(x))
        x = self.activation(x if self.before is None else self.before(x))
        x = x if self.inside is None else self.inside(x)
        x = self.head(torch.flatten(x, 1))
        return x if self.end is None else self.end(x)


def made(network: nn.Module) -> tuple[nn.Module, Tensor]:
    """Return a network whose batch norm knows its images, and 64 of them."""
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (64, *SHAPE), dtype=torch.uint8)
    with torch.no_grad():
        network.eval()(CODING(pixels))  # for lazy layers
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d) and module.running_var is not None:
                module.momentum = None
                module.train()
                network(CODING(pixels))
                if module.affine:
                    module.weight.uniform_(0.5, 1.5)
                    module.weight[0] *= -1
                    module.bias.uniform_(-0.3, 0.3)
                module.eval()
    return network.eval(), pixels


def frozen(network: nn.Module) -> FrozenNetwork:
    assert CODING.table is not None
    return freeze(network, CODING.table, CODING.scale, SHAPE)


def is_exact(network: nn.Module, pixels: Tensor) -> None:
    """Assert that the integers, and the ONNX file with and without optimisations, compute what was trained."""
    with torch.no_grad():
        wanted = computing.trained(network, CODING, pixels, 64)
    integers = frozen(network)
    computing.assert_same(computing.frozen(integers, pixels, 64), wanted, "frozen")
    few = computing.trained(network, CODING, pixels[:5], 5)
    computing.assert_same(computing.frozen(integers, pixels[:5], 5), few, "frozen, batch 5")
    writers = {"onnx": to_onnx, "qdq": to_qdq}
    if any(isinstance(each, MaxPool) and each.ceil_mode and any(each.padding) for each in integers.operations):
        with pytest.raises(ExportRequestError, match="ceil_mode=True and padding has other windows in older runtimes"):
            writers.pop("qdq")(integers)
    for name, write in writers.items():
        computing.assert_same(computing.in_onnxruntime(write(integers), pixels, 64, optimise=True), wanted, name)
    if {each.kind for each in integers.operations} & IN_C:  # thresholds alone are the same loop in all of them
        computing.assert_same_codes(computing.in_c(integers, pixels), wanted, "C")


def sized(x: Tensor) -> Tensor:
    return F.max_pool2d(x, x.size()[2:])


def viewed(x: Tensor) -> Tensor:
    return x.view(x.size(0), x.size(1) * x.size(2) * x.size(3))


def added_in_place(x: Tensor) -> Tensor:
    y = F.max_pool2d(x, 3, 1, 1)
    y += x
    return y


def changed_elsewhere(x: Tensor) -> Tensor:
    y = F.max_pool2d(x, 3, 1, 1)
    z = y.add_(x)
    return z + y


def relu_elsewhere(x: Tensor) -> Tensor:
    return F.relu(x, inplace=True) + x


class Hooked(nn.ReLU):
    pass


def hooked() -> nn.Module:
    module = nn.MaxPool2d(2)
    module.register_forward_hook(lambda *_: _[2] * 2)
    return module


TERNARY = StairFunction.ternary()
# What to build, and either nothing (it is exact) or what the refusal says.
TABLE: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "plain": (Network, ""),
    # Functions before the quantiser.
    "hardtanh(0, 6)": (lambda: Network(before=lambda x: F.hardtanh(x, 0.0, 6.0)), ""),
    "hardtanh by name": (lambda: Network(before=lambda x: F.hardtanh(x, max_val=0.5, min_val=-0.25)), ""),
    "Hardtanh(0, 0.4)": (lambda: Network(before=nn.Hardtanh(0.0, 0.4)), ""),
    "ReLU": (lambda: Network(before=nn.ReLU(inplace=True)), ""),
    "relu_": (lambda: Network(before=lambda x: x.relu_()), ""),
    "input=": (lambda: Network(before=lambda x: F.relu(input=x)), ""),
    "ReLU6": (lambda: Network(before=nn.ReLU6()), ""),
    "tanh": (lambda: Network(before=torch.tanh), ""),
    "sigmoid method": (lambda: Network(before=lambda x: x.sigmoid()), ""),
    "LeakyReLU(0.3)": (lambda: Network(before=nn.LeakyReLU(0.3)), ""),
    "leaky_relu 0.2": (lambda: Network(before=lambda x: F.leaky_relu(x, 0.2)), ""),
    "LeakyReLU(-0.3)": (lambda: Network(before=nn.LeakyReLU(-0.3)), "negative_slope=-0.3: it must rise"),
    "leaky_relu -0.3": (lambda: Network(before=lambda x: F.leaky_relu(x, -0.3)), "negative_slope=-0.3"),
    "relu elsewhere": (lambda: Network(before=relu_elsewhere), "works in place on a value that is read elsewhere"),
    "PReLU": (lambda: Network(before=nn.PReLU()), "PReLU has no integer form"),
    "GELU": (lambda: Network(before=F.gelu), "gelu.*no integer form"),
    "abs": (lambda: Network(before=torch.abs), "abs.*no integer form"),
    "times 2": (lambda: Network(before=lambda x: x * 2), "mul.*no integer form"),
    "plus 1": (lambda: Network(before=lambda x: x + 1), "a sum with 1, not a tensor"),
    "1 plus": (lambda: Network(before=lambda x: 1 + x), "a sum with 1, not a tensor"),
    # Dropout.
    "dropout": (lambda: Network(inside=F.dropout), "training=True drops values in evaluation too"),
    "dropout, eval": (lambda: Network(inside=lambda x: F.dropout(x, 0.5, False)), ""),
    "dropout, p 0": (lambda: Network(inside=lambda x: F.dropout(x, 0.0)), ""),
    "Dropout2d": (lambda: Network(inside=nn.Dropout2d(0.3)), ""),
    "AlphaDropout": (lambda: Network(inside=nn.AlphaDropout(0.3)), ""),
    "dropout2d": (lambda: Network(inside=lambda x: F.dropout2d(x, training=False)), "dropout2d.*no integer form"),
    # Batch norm.
    "batch norm, no statistics": (
        lambda: Network(before=nn.BatchNorm2d(CHANNELS, track_running_stats=False)),
        "without running statistics its result depends on the other images",
    ),
    "batch norm, not affine": (lambda: Network(before=nn.BatchNorm2d(CHANNELS, affine=False)), ""),
    "batch norm, eps": (lambda: Network(before=nn.BatchNorm2d(CHANNELS, eps=0.7)), ""),
    "GroupNorm": (lambda: Network(before=nn.GroupNorm(2, CHANNELS)), "GroupNorm has no integer form"),
    "InstanceNorm": (lambda: Network(before=nn.InstanceNorm2d(CHANNELS)), "InstanceNorm2d has no integer form"),
    # Max-pooling.
    "max_pool2d of the size": (lambda: Network(inside=sized), ""),
    "max_pool2d, stride None": (lambda: Network(inside=lambda x: F.max_pool2d(x, 3, None)), ""),
    "max_pool2d, all": (lambda: Network(inside=lambda x: F.max_pool2d(x, 3, 2, 1, 2, True)), ""),
    "max_pool2d by name": (lambda: Network(inside=lambda x: F.max_pool2d(x, kernel_size=(2, 3), stride=(2, 1))), ""),
    "MaxPool2d, ceil": (lambda: Network(inside=nn.MaxPool2d(3, 2, ceil_mode=True)), ""),
    "MaxPool2d, ceil and padding": (lambda: Network(inside=nn.MaxPool2d(3, 3, 1, ceil_mode=True)), ""),
    "MaxPool2d, ceil, last window in the padding": (lambda: Network(inside=nn.MaxPool2d(2, 4, 1, ceil_mode=True)), ""),
    "MaxPool2d, dilation": (lambda: Network(inside=nn.MaxPool2d(2, 1, dilation=3)), ""),
    "MaxPool2d before": (lambda: Network(before=nn.MaxPool2d(3, 2, 1)), ""),
    "MaxPool2d, indices": (
        lambda: Network(inside=lambda x: F.max_pool2d(x, 2, return_indices=True)[0]),
        "max_pool2d_with_indices|return_indices=True",
    ),
    "AdaptiveMaxPool2d": (lambda: Network(inside=nn.AdaptiveMaxPool2d(4)), ""),
    "AdaptiveMaxPool2d(3)": (lambda: Network(inside=nn.AdaptiveMaxPool2d(3)), "windows of .* are not alike"),
    "FractionalMaxPool2d": (lambda: Network(inside=nn.FractionalMaxPool2d(2, 4)), "cannot be exported"),
    # Averages.
    "AvgPool2d(8)": (lambda: Network(inside=nn.AvgPool2d(8)), ""),
    "AvgPool2d(5)": (lambda: Network(inside=nn.AvgPool2d(5)), ""),
    "AvgPool2d(3, 2, 1)": (lambda: Network(inside=nn.AvgPool2d(3, 2, 1)), ""),
    "AvgPool2d, not counting": (
        lambda: Network(inside=nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
        "count_include_pad=False divides by another number",
    ),
    "AvgPool2d, ceil": (lambda: Network(inside=nn.AvgPool2d(3, 2, ceil_mode=True)), "ceil_mode=True adds windows"),
    "AvgPool2d, ceil without effect": (lambda: Network(inside=nn.AvgPool2d(2, 2, ceil_mode=True)), ""),
    "AvgPool2d, divisor": (lambda: Network(inside=nn.AvgPool2d(3, divisor_override=7)), ""),
    "avg_pool2d, divisor": (lambda: Network(inside=lambda x: F.avg_pool2d(x, 8, divisor_override=3)), ""),
    "avg_pool2d of the size": (lambda: Network(inside=lambda x: F.avg_pool2d(x, x.shape[2:])), ""),
    "AdaptiveAvgPool2d(1)": (lambda: Network(inside=nn.AdaptiveAvgPool2d(1)), ""),
    "AdaptiveAvgPool2d(4, None)": (lambda: Network(inside=nn.AdaptiveAvgPool2d((4, None))), ""),
    "AdaptiveAvgPool2d(3)": (lambda: Network(inside=nn.AdaptiveAvgPool2d(3)), "windows of .* are not alike"),
    "adaptive_avg_pool2d(8)": (lambda: Network(inside=lambda x: F.adaptive_avg_pool2d(x, 8)), ""),
    "mean": (lambda: Network(inside=lambda x: x.mean((2, 3))), ""),
    "mean, keepdim": (lambda: Network(inside=lambda x: torch.mean(x, dim=(-1, -2), keepdim=True)), ""),
    "mean of channels": (lambda: Network(inside=lambda x: x.mean(1)), "a mean over dimensions 1"),
    "mean of all": (lambda: Network(inside=lambda x: x + x.mean()), "mean"),
    "mean, double": (lambda: Network(inside=lambda x: x.mean((2, 3), dtype=torch.float64).float()), "float64"),
    "AvgPool2d before": (lambda: Network(before=nn.AvgPool2d(2)), "only averages of quantised values"),
    "LPPool2d": (lambda: Network(inside=nn.LPPool2d(2, 2)), "cannot be exported"),
    # Sums.
    "add": (lambda: Network(inside=lambda x: torch.add(x, F.max_pool2d(x, 3, 1, 1))), ""),
    "add, other=": (lambda: Network(inside=lambda x: torch.add(x, other=x)), ""),
    "add, alpha": (lambda: Network(inside=lambda x: torch.add(x, x, alpha=2)), "alpha=2; allowed is 1"),
    "add method, alpha": (lambda: Network(inside=lambda x: x.add(x, alpha=0.5)), "alpha=0.5; allowed is 1"),
    "in place": (lambda: Network(inside=added_in_place), ""),
    "in place, read elsewhere": (lambda: Network(inside=changed_elsewhere), "works in place on a value"),
    "broadcast": (lambda: Network(inside=lambda x: x + F.adaptive_max_pool2d(x, 1)), "both terms must have one shape"),
    "sub": (lambda: Network(inside=lambda x: x - x), "sub.*no integer form"),
    "cat": (lambda: Network(inside=lambda x: torch.cat([x, x], 1)), "cat.*no integer form"),
    # Shapes.
    "view": (lambda: Network(inside=viewed), ""),
    "view(-1, 256)": (lambda: Network(inside=lambda x: x.view(-1, 256)), ""),
    "view(-1, 64)": (lambda: Network(inside=lambda x: x.view(-1, 64)), "one result an image, whatever the batch"),
    "view(2, -1)": (lambda: Network(inside=lambda x: x.view(2, -1)), "any number of images|whatever the batch"),
    "reshape to 3": (lambda: Network(inside=lambda x: x.reshape(x.shape[0], 4, 64)), "allowed is flattening to"),
    "flatten(2)": (lambda: Network(inside=lambda x: torch.flatten(x, 2)), "allowed is flattening to"),
    "Flatten(1, 2)": (lambda: Network(inside=nn.Flatten(1, 2)), "allowed is flattening to"),
    "flatten(start_dim=)": (lambda: Network(inside=lambda x: x.flatten(start_dim=1)), ""),
    "transpose": (lambda: Network(inside=lambda x: x.transpose(1, 2)), "transpose.*no integer form"),
    "permute": (lambda: Network(inside=lambda x: x.permute(0, 2, 3, 1)), "permute.*no integer form"),
    "squeeze": (lambda: Network(inside=lambda x: F.max_pool2d(x, 8).squeeze()), "squeeze.*no integer form"),
    "flip": (lambda: Network(inside=lambda x: x.flip(3)), "flip.*no integer form"),
    "first image": (lambda: Network(inside=lambda x: x + x[:1]), "one result an image"),
    "every second row": (lambda: Network(inside=lambda x: x[:, :, ::2, ::2]), ""),
    "every second row alone": (lambda: Network(inside=lambda x: x[:, :, ::2, :]), r"allowed is x\[:, :, ::s, ::s\]"),
    "from the second row": (lambda: Network(inside=lambda x: x[:, :, 1::2, 1::2]), r"allowed is x\[:, :, ::s, ::s\]"),
    "pad channels": (lambda: Network(inside=lambda x: F.pad(x, (0, 0, 0, 0, 1, 2))), ""),
    "pad channels with 1": (lambda: Network(inside=lambda x: F.pad(x, (0, 0, 0, 0, 1, 2), value=1.0)), "channels of"),
    "pad rows": (lambda: Network(inside=lambda x: F.pad(x, (1, 1, 1, 1))), "allowed is adding channels of zeros"),
    "pad, reflect": (lambda: Network(inside=lambda x: F.pad(x, (1, 1, 1, 1), "reflect")), "channels of zeros"),
    "ZeroPad2d": (lambda: Network(inside=nn.ZeroPad2d(1)), "ZeroPad2d has no integer form"),
    "Upsample": (lambda: Network(inside=nn.Upsample(scale_factor=2)), "Upsample has no integer form|interpolate"),
    "double": (lambda: Network(inside=lambda x: x.double().float()), "double"),
    # Maps.
    "conv, bias": (lambda: Network(convolution=nn.Conv2d(2, 4, 3, padding=1)), ""),
    "conv, all": (lambda: Network(convolution=nn.Conv2d(2, 4, (3, 2), (2, 1), (2, 0), (1, 2), groups=2)), ""),
    "conv, same": (lambda: Network(convolution=nn.Conv2d(2, 4, 3, padding="same", dilation=2)), ""),
    "conv, valid": (lambda: Network(convolution=nn.Conv2d(2, 4, 3, padding="valid")), ""),
    "conv, same and even": (lambda: Network(convolution=nn.Conv2d(2, 4, 2, padding="same")), "allowed are symmetric"),
    "conv, circular": (lambda: Network(convolution=nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular")), "circular"),
    "conv, circular without padding": (lambda: Network(convolution=nn.Conv2d(2, 4, 3, padding_mode="circular")), ""),
    "float conv": (lambda: Network(inside=nn.Conv2d(4, 4, 1)), "Conv2d has no integer form"),
    "transposed conv": (lambda: Network(inside=nn.ConvTranspose2d(4, 4, 1)), "ConvTranspose2d has no integer form"),
    "head without bias": (lambda: Network(head=nn.Linear(256, 5, bias=False)), ""),
    "head on rows": (lambda: Network(inside=nn.Linear(8, 5)), r"values of shape \[4, 8, 8\]; allowed are \[features\]"),
    # Ends.
    "softmax": (lambda: Network(end=nn.Softmax(dim=1)), "Softmax has no integer form"),
    "log_softmax": (lambda: Network(end=lambda x: F.log_softmax(x, 1)), "log_softmax.*no integer form"),
    "argmax": (lambda: Network(end=lambda x: x.argmax(1)), "argmax"),
    "two outputs": (lambda: Network(end=lambda x: (x, x)), "must return one tensor"),
    "batch norm at the end": (lambda: Network(end=nn.BatchNorm1d(5)), "it reads floating-point values"),
    # Hooks change what a module gives, unseen by the graph.
    "hook": (lambda: Network(inside=hooked()), "its hook .* may change what it computes"),
    "subclass": (lambda: Network(before=Hooked()), ""),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", TABLE)
def test_exact_or_refused(name: str) -> None:
    make, reason = TABLE[name]
    network, pixels = made(make())
    if not reason:
        is_exact(network, pixels)
        return
    with pytest.raises(ExportRequestError, match=reason):
        frozen(network)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("parameter", ["convolution.weight", "norm.weight", "norm.running_mean", "head.bias"])
def test_broken_numbers_are_named(parameter: str, value: float) -> None:
    network, _ = made(Network())
    with torch.no_grad():
        network.state_dict()[parameter].view(-1)[0] = value
    with pytest.raises(ExportRequestError, match=f"{parameter} holds NaN or infinite values"):
        frozen(network)


def test_other_precisions_are_refused() -> None:
    network, _ = made(Network())
    with pytest.raises(ExportRequestError, match="cannot be"):
        frozen(network.double())


def test_a_pruned_layer_is_exact() -> None:
    from torch.nn.utils import prune

    network, pixels = made(Network())
    prune.l1_unstructured(network.get_submodule("head"), "weight", 0.5)
    is_exact(network, pixels)


def module_handlers() -> list[type[nn.Module]]:
    return [each for each in HANDLERS if isinstance(each, type)]


@pytest.mark.parametrize("kind", module_handlers(), ids=lambda kind: kind.__name__)
def test_a_handler_reads_every_setting_of_its_module(kind: type[nn.Module]) -> None:
    """PyTorch lists a module's settings in ``__constants__``: each is a parameter, or the whole module is read."""
    read = set(inspect.signature(HANDLERS[kind]).parameters)
    settings = set(getattr(kind, "__constants__", []))
    assert "module" in read or settings <= read, settings - read


def functions() -> dict[str, Any]:
    """Return the functions in the registry with a signature that Python knows; the table above tries the others."""
    found = {}
    for each in HANDLERS:
        if not isinstance(each, str | type) and each.__module__ != "_operator":
            with suppress(ValueError):
                found[f"{each.__module__}.{each.__name__}"] = (each, inspect.signature(each))
    return found


@pytest.mark.parametrize("name", functions())
def test_a_handler_takes_the_arguments_of_its_function(name: str) -> None:
    target, signature = functions()[name]
    wanted = [each for each in signature.parameters if each not in ("args", "kwargs")]
    found = list(inspect.signature(HANDLERS[target]).parameters)[2:]
    assert not wanted or found[: len(wanted) - 1] == wanted[1:]


def test_codes_occur() -> None:
    """The table's networks are no trivial ones: all codes occur."""
    network, pixels = made(Network())
    codes = computing.trained(network, CODING, pixels, 64).codes["activation"]
    assert len(np.unique(codes)) == 7
