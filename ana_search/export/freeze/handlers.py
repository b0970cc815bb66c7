"""The one registry of what can be frozen: modules, functions and methods, each with its handler.

A handler takes the `Call`, the values that the operation reads, and the operation's settings. **Its signature is the
list of what it reads**: a module's settings are its attributes of the same names (or the module itself, for a handler
with a parameter ``module``), a function's are its arguments in the same order. An argument that no parameter takes is
refused by name, and `tests/export/test_handlers.py` checks that a module has no setting that its handler does not read.
"""

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torchvision.ops import stochastic_depth

from ana_search.ana import QuantActivation
from ana_search.ana.layers import QuantMap
from ana_search.export.freeze import activations, branches, elementwise, maps, pools, shapes, sums, tail
from ana_search.export.freeze.call import Call

__all__ = ["HANDLERS", "bind_function", "bind_module", "handler_of"]

Handler = Callable[..., Any]
_relu = elementwise.monotonic(torch.relu, "relu")
_relu6 = elementwise.monotonic(functional.relu6)
_tanh = elementwise.monotonic(torch.tanh, "tanh")
_sigmoid = elementwise.monotonic(torch.sigmoid, "sigmoid")
_hardsigmoid = elementwise.monotonic(functional.hardsigmoid)
_silu = elementwise.dipping(functional.silu)
_hardswish = elementwise.dipping(functional.hardswish)
_mish = elementwise.dipping(functional.mish)

HANDLERS: dict[Any, Handler] = {
    # Modules: a subclass is handled as its nearest ancestor here.
    QuantMap: maps.quantised_map,
    QuantActivation: activations.quantised_activation,
    nn.Linear: maps.classifier,
    nn.Conv1d: tail.pointwise_classifier,
    nn.Conv2d: tail.pointwise_classifier,
    nn.Conv3d: tail.pointwise_classifier,
    nn.Identity: elementwise.same,
    nn.Dropout: elementwise.dropout,
    nn.Dropout1d: elementwise.dropout,
    nn.Dropout2d: elementwise.dropout,
    nn.Dropout3d: elementwise.dropout,
    nn.AlphaDropout: elementwise.dropout,
    nn.FeatureAlphaDropout: elementwise.dropout,
    nn.BatchNorm1d: elementwise.batch_norm,
    nn.BatchNorm2d: elementwise.batch_norm,
    nn.BatchNorm3d: elementwise.batch_norm,
    nn.ReLU: _relu,
    nn.ReLU6: elementwise.bounded,
    nn.Tanh: _tanh,
    nn.Sigmoid: _sigmoid,
    nn.Hardtanh: elementwise.bounded,
    nn.Hardsigmoid: _hardsigmoid,
    nn.SiLU: _silu,
    nn.Hardswish: _hardswish,
    nn.Mish: _mish,
    nn.GELU: elementwise.gelu,
    nn.Softmax: tail.softmax,
    nn.LogSoftmax: tail.log_softmax,
    nn.ZeroPad1d: shapes.zero_pad,
    nn.ZeroPad2d: shapes.zero_pad,
    nn.ZeroPad3d: shapes.zero_pad,
    nn.LeakyReLU: elementwise.leaky,
    nn.MaxPool1d: pools.max_pool,
    nn.MaxPool2d: pools.max_pool,
    nn.MaxPool3d: pools.max_pool,
    nn.AvgPool1d: pools.average_pool,
    nn.AvgPool2d: pools.average_pool,
    nn.AvgPool3d: pools.average_pool,
    nn.AdaptiveAvgPool1d: pools.adaptive_average_pool,
    nn.AdaptiveAvgPool2d: pools.adaptive_average_pool,
    nn.AdaptiveAvgPool3d: pools.adaptive_average_pool,
    nn.AdaptiveMaxPool1d: pools.adaptive_max_pool,
    nn.AdaptiveMaxPool2d: pools.adaptive_max_pool,
    nn.AdaptiveMaxPool3d: pools.adaptive_max_pool,
    nn.Flatten: shapes.flatten,
    # Functions.
    operator.add: sums.add,
    operator.iadd: sums.add_in_place,
    torch.add: sums.add,
    operator.mul: branches.multiply,
    torch.mul: branches.multiply,
    torch.cat: branches.cat,
    torch.concat: branches.cat,
    torch.chunk: branches.chunk,
    torch.split: branches.split,
    torch.permute: shapes.permute,
    torch.transpose: shapes.transpose,
    torch.squeeze: shapes.squeeze,
    torch.unsqueeze: shapes.squeeze,
    torch.softmax: tail.softmax,
    torch.log_softmax: tail.log_softmax,
    functional.softmax: tail.softmax,
    functional.log_softmax: tail.log_softmax,
    functional.hardsigmoid: _hardsigmoid,
    functional.silu: _silu,
    functional.hardswish: _hardswish,
    functional.mish: _mish,
    functional.gelu: elementwise.gelu,
    stochastic_depth: elementwise.stochastic_depth,
    torch.flatten: shapes.flatten,
    torch.reshape: shapes.reshape,
    functional.dropout: elementwise.dropout,
    torch.relu: _relu,
    functional.relu: _relu,
    functional.relu6: _relu6,
    torch.tanh: _tanh,
    functional.tanh: _tanh,
    torch.sigmoid: _sigmoid,
    functional.sigmoid: _sigmoid,
    functional.hardtanh: elementwise.bounded,
    functional.leaky_relu: elementwise.leaky,
    functional.max_pool1d: pools.max_pool,
    functional.max_pool2d: pools.max_pool,
    functional.max_pool3d: pools.max_pool,
    torch.max_pool1d: pools.max_pool,
    torch.max_pool2d: pools.max_pool,
    torch.max_pool3d: pools.max_pool,
    functional.avg_pool1d: pools.average_pool,
    functional.avg_pool2d: pools.average_pool,
    functional.avg_pool3d: pools.average_pool,
    functional.adaptive_avg_pool1d: pools.adaptive_average_pool,
    functional.adaptive_avg_pool2d: pools.adaptive_average_pool,
    functional.adaptive_avg_pool3d: pools.adaptive_average_pool,
    functional.adaptive_max_pool1d: pools.adaptive_max_pool,
    functional.adaptive_max_pool2d: pools.adaptive_max_pool,
    functional.adaptive_max_pool3d: pools.adaptive_max_pool,
    torch.mean: pools.mean,
    functional.pad: shapes.pad,
    operator.getitem: shapes.item,
    getattr: shapes.attribute,
    # Methods of tensors.
    "add": sums.add,
    "add_": sums.add_in_place,
    "mul": branches.multiply,
    "chunk": branches.chunk,
    "split": branches.split,
    "permute": shapes.permute,
    "transpose": shapes.transpose,
    "squeeze": shapes.squeeze,
    "unsqueeze": shapes.squeeze,
    "unflatten": shapes.reshape,
    "softmax": tail.softmax,
    "log_softmax": tail.log_softmax,
    "flatten": shapes.flatten,
    "view": shapes.reshape,
    "reshape": shapes.reshape,
    "size": shapes.size,
    "contiguous": shapes.contiguous,
    "mean": pools.mean,
    "relu": _relu,
    "relu_": partial(_relu, inplace=True),
    "tanh": _tanh,
    "sigmoid": _sigmoid,
}


def handler_of(target: Any) -> Handler | None:
    """Return the handler of a module, a function or the name of a method; None where there is none."""
    if isinstance(target, nn.Module):
        return next((HANDLERS[each] for each in type(target).__mro__ if each in HANDLERS), None)
    return HANDLERS.get(target)


def bind_module(handler: Handler, module: nn.Module) -> dict[str, Any]:
    """Return the settings that a handler reads from a module."""
    _, _, *names = inspect.signature(handler).parameters
    return {n: module if n == "module" else getattr(module, n) for n in names if n == "module" or hasattr(module, n)}


def bind_function(call: Call, handler: Handler, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """Call a handler with a function's arguments; refuse those that it does not read."""
    named = dict(named)
    first = [named.pop("input")] if "input" in named and not arguments else []
    try:
        bound = inspect.signature(handler).bind(call, *first, *arguments, **named)
    except TypeError as error:
        known = list(inspect.signature(handler).parameters)[2:]
        raise call.refuse(f"{error}; allowed are {', '.join(known) or 'no arguments'}") from None
    return handler(*bound.args, **bound.kwargs)
