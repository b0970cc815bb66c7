"""Every operation that a network may use is frozen exactly, or refused by name: a table of modules and calls."""

import inspect
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ana_search.data.coding import dyadic_coding
from ana_search.errors import ExportRequestError
from ana_search.export import FrozenNetwork, freeze
from ana_search.export.formats.onnx import to_onnx
from ana_search.export.formats.qdq import to_qdq
from ana_search.export.freeze.handlers import HANDLERS
from ana_search.export.integer.operations import MaxPool
from tests.export import computing
from tests.export.handled import TABLE, Network

CODING = dyadic_coding([0.5] * 2, [0.3] * 2)
SHAPE = (2, 8, 8)
NOT_IN_C = {"concat", "channels", "product", "pad_sides", "reshape", "permute", "take"}
NOT_IN_C |= {"real_function", "real_mean", "pointwise_classifier"}
IN_C = {"max_pool", "window_sum", "global_sum", "add", "subsample", "pad_channels"}


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
    kinds = {each.kind for each in integers.operations}
    if kinds & NOT_IN_C:
        with pytest.raises(ExportRequestError, match=r"C has no loop for .*; export with --format onnx"):
            computing.in_c(integers, pixels)
    elif kinds & IN_C:  # thresholds alone are the same loop in all of them
        computing.assert_same_codes(computing.in_c(integers, pixels), wanted, "C")


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
