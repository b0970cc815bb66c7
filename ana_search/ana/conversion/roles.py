"""What each operation of a network does to quantised values: its role in the conversion."""

import operator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import fx, nn
from torch.nn import functional

from ana_search.ana.conversion.trace import has_own_forward
from ana_search.ana.layers import QuantActivation, QuantMap

__all__ = [
    "MAPS",
    "Activation",
    "Role",
    "activation_of",
    "activation_of_module",
    "is_converted",
    "map_type",
    "role_of",
    "works_in_place",
]

Role = Literal[
    "map",  # a linear map: a module, or a function on parameters
    "activation",  # becomes a quantiser
    "norm",  # a factor and an offset a channel
    "max_pool",  # keeps the values and their order
    "average",  # gives values between those that it reads
    "add",
    "multiply",
    "cat",
    "same",  # gives back what it reads, in evaluation
    "shape",  # moves values, or adds zeros
    "size",  # gives no values: shapes, attributes, parameters
    "quantised_map",
    "quantiser",
    "unknown",
]

MAPS: tuple[type[nn.Module], ...] = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class Activation:
    """What becomes of an activation function: a quantiser in its place, or after it if it is ``kept``.

    ``signed`` tells whether it has negative values that count; ``unit`` whether its values lie in [0, 1].
    """

    signed: bool
    kept: bool = False
    unit: bool = False


_RECTIFIED = Activation(signed=False)
_SIGNED = Activation(signed=True)
_SMOOTH = Activation(signed=False, kept=True)  # their small negative values become 0
_GATE = Activation(signed=False, kept=True, unit=True)

_ACTIVATION_MODULES: dict[type[nn.Module], Activation] = {
    nn.ReLU: _RECTIFIED,
    nn.ReLU6: _RECTIFIED,
    nn.Hardtanh: _SIGNED,
    nn.Tanh: _SIGNED,
    nn.LeakyReLU: _SIGNED,
    nn.PReLU: _SIGNED,
    nn.ELU: _SIGNED,
    nn.SELU: _SIGNED,
    nn.CELU: _SIGNED,
    nn.GELU: _SMOOTH,
    nn.SiLU: _SMOOTH,
    nn.Mish: _SMOOTH,
    nn.Hardswish: _SMOOTH,
    nn.Softplus: _SMOOTH,
    nn.Sigmoid: _GATE,
    nn.Hardsigmoid: _GATE,
}
_ACTIVATION_CALLS: dict[Any, Activation] = {
    **dict.fromkeys(
        (torch.relu, torch.relu_, functional.relu, functional.relu_, functional.relu6, "relu", "relu_"), _RECTIFIED
    ),
    **dict.fromkeys(
        (
            *(functional.hardtanh, functional.hardtanh_, torch.clamp, torch.clip, "clamp", "clamp_", "clip", "clip_"),
            *(torch.tanh, functional.tanh, "tanh", "tanh_", torch.sign, "sign"),
            *(functional.leaky_relu, functional.leaky_relu_, functional.prelu, functional.elu, functional.elu_),
            *(functional.selu, functional.selu_, functional.celu, functional.celu_),
        ),
        _SIGNED,
    ),
    **dict.fromkeys(
        (functional.gelu, functional.silu, functional.mish, functional.hardswish, functional.softplus), _SMOOTH
    ),
    **dict.fromkeys((torch.sigmoid, functional.sigmoid, functional.hardsigmoid, "sigmoid", "sigmoid_"), _GATE),
}
_BOUNDS = {"min": 0, "min_val": 0}  # of what clips: its lower bound says whether it has negative values

_MODULES: dict[type[nn.Module], Role] = {
    QuantMap: "quantised_map",
    QuantActivation: "quantiser",
    **dict.fromkeys(MAPS, "map"),
    **dict.fromkeys(_ACTIVATION_MODULES, "activation"),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), "norm"),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), "max_pool"),
    **dict.fromkeys((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d), "max_pool"),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), "average"),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), "average"),
    **dict.fromkeys((nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d), "same"),
    **dict.fromkeys((nn.AlphaDropout, nn.FeatureAlphaDropout), "same"),
    **dict.fromkeys((nn.Flatten, nn.Unflatten, nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d), "shape"),
    **dict.fromkeys((nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle), "shape"),
}
_CALLS: dict[Any, Role] = {
    **dict.fromkeys(_ACTIVATION_CALLS, "activation"),
    **dict.fromkeys((functional.linear, functional.conv1d, functional.conv2d, functional.conv3d), "map"),
    **dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d), "map"),
    **dict.fromkeys((functional.max_pool1d, functional.max_pool2d, functional.max_pool3d), "max_pool"),
    **dict.fromkeys((torch.max_pool1d, torch.max_pool2d, torch.max_pool3d), "max_pool"),
    **dict.fromkeys(
        (functional.adaptive_max_pool1d, functional.adaptive_max_pool2d, functional.adaptive_max_pool3d), "max_pool"
    ),
    **dict.fromkeys((functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d), "average"),
    **dict.fromkeys(
        (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d), "average"
    ),
    **dict.fromkeys((torch.mean, "mean"), "average"),
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), "add"),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul, "mul", "mul_"), "multiply"),
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), "cat"),
    **dict.fromkeys((functional.dropout, functional.dropout2d, "contiguous", "clone"), "same"),
    **dict.fromkeys((torch.flatten, torch.reshape, torch.permute, torch.transpose, functional.pad), "shape"),
    **dict.fromkeys((torch.chunk, torch.split, torch.squeeze, torch.unsqueeze, operator.getitem), "shape"),
    **dict.fromkeys(("flatten", "view", "reshape", "permute", "transpose", "chunk", "split", "unflatten"), "shape"),
    **dict.fromkeys(("squeeze", "unsqueeze", "expand"), "shape"),
    **dict.fromkeys((getattr, "size", "dim", "numel"), "size"),
}
_IN_PLACE = (operator.iadd, operator.imul)


def map_type(module: nn.Module) -> type[nn.Module] | None:
    """Return which of `MAPS` a module computes; None for anything else."""
    if isinstance(module, QuantMap) or has_own_forward(module):
        return None
    return next((each for each in MAPS if isinstance(module, each)), None)


def is_converted(module: nn.Module) -> bool:
    """Return whether a module is a map or an activation function."""
    return _role_of_module(module) in ("map", "activation")


def role_of(node: fx.Node, network: nn.Module) -> Role:
    """Return what a node of the network's graph does."""
    if node.op == "call_module":
        return _role_of_module(network.get_submodule(str(node.target)))
    if node.op == "get_attr":
        return "size"
    return _CALLS.get(node.target, "unknown")


def activation_of(node: fx.Node, network: nn.Module) -> Activation:
    """Return what becomes of an activation function: of those that clip, their bounds decide."""
    if node.op == "call_module":
        return activation_of_module(network.get_submodule(str(node.target)))
    found = _ACTIVATION_CALLS[node.target]
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if name.startswith(("hardtanh", "clamp", "clip")):
        bounds = [node.kwargs[key] for key in _BOUNDS if key in node.kwargs] or list(node.args[1:2])
        return _RECTIFIED if bounds and isinstance(bounds[0], int | float) and bounds[0] >= 0 else _SIGNED
    return found


def activation_of_module(module: nn.Module) -> Activation:
    """Return what becomes of an activation module."""
    if isinstance(module, nn.Hardtanh) and not isinstance(module, nn.ReLU6):
        return _RECTIFIED if module.min_val >= 0 else _SIGNED
    return next(_ACTIVATION_MODULES[each] for each in type(module).__mro__ if each in _ACTIVATION_MODULES)


def works_in_place(node: fx.Node, network: nn.Module) -> bool:
    """Return whether a call changes the first value that it reads."""
    if node.op == "call_module":
        return bool(getattr(network.get_submodule(str(node.target)), "inplace", False))
    if node.target in _IN_PLACE or node.kwargs.get("inplace") is True:
        return True
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if name.endswith("_") and not name.endswith("__"):
        return True
    has_flag = _CALLS.get(node.target) == "activation" and len(node.args) > 1
    return has_flag and node.args[-1] is True


def _role_of_module(module: nn.Module) -> Role:
    if has_own_forward(module) and not isinstance(module, QuantMap | QuantActivation):
        return "unknown"
    return next((_MODULES[each] for each in type(module).__mro__ if each in _MODULES), "unknown")
