"""The walk over a traced network, which hands every operation to its handler."""

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.prune import BasePruningMethod

from ana_search.export.freeze.call import Call, StepList
from ana_search.export.freeze.handlers import HANDLERS, bind_function, bind_module, handler_of
from ana_search.export.freeze.output import logits
from ana_search.export.freeze.trace import batch_shape, trace
from ana_search.export.freeze.values import BATCH
from ana_search.export.integer import FrozenNetwork
from ana_search.export.integer.operations import InputTable

__all__ = ["freeze"]

_ARITHMETIC: dict[Any, Callable[..., Any]] = {
    each: each for each in (operator.add, operator.sub, operator.mul, operator.floordiv, operator.neg)
}


def freeze(network: nn.Module, table: Tensor, scale: float, input_shape: tuple[int, ...]) -> FrozenNetwork:
    """Return ``network``, as it evaluates, in integer arithmetic.

    ``table`` (int8 [C, 256]) and ``scale`` are the input's coding: a pixel p of channel c enters the network as
    ``table[c, p] * scale``. ``input_shape`` is (C, H, W). The network itself is left as it is.

    Raises:
        ExportRequestError: the network cannot be traced, or computes something that has no integer form.
    """
    module = trace(copy.deepcopy(getattr(network, "_orig_mod", network)).cpu().eval(), input_shape)
    steps = StepList()
    values: dict[fx.Node, Any] = {}
    for node in module.graph.nodes:
        if node.op == "placeholder":
            low, high = int(table.min()), int(table.max())
            values[node] = steps.codes(InputTable(table), 0, scale=scale, low=low, high=high)
            continue
        call = _call(node, steps)
        if node.op == "output":
            returned = node.args[0]
            logits(call, values[returned] if isinstance(returned, fx.Node) else None)
        elif node.op == "call_module":
            values[node] = _module(call, module.get_submodule(str(node.target)), _known(node, values))
        elif node.op == "get_attr":
            raise call.refuse("parameters outside layers have no integer form")
        else:
            values[node] = _function(call, node, _known(node, values))
    return FrozenNetwork(steps.steps, input_shape)


def _call(node: fx.Node, steps: StepList) -> Call:
    inputs = [each for each in node.all_input_nodes if batch_shape(each) is not None]
    first, last = (batch_shape(inputs[at]) if inputs else None for at in (0, -1))
    target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    return Call(
        name=node.name,
        target=target,
        steps=steps,
        shape=batch_shape(node),
        input_shape=first or torch.Size(),
        other_shape=last or torch.Size(),
        input_is_read_again=bool(inputs) and len(inputs[0].users) > 1,
    )


def _known(node: fx.Node, values: dict[fx.Node, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a node, with what is known of every value in the value's place."""
    arguments, named = fx.node.map_arg((node.args, dict(node.kwargs)), lambda each: values[each])
    return tuple(arguments), dict(named)


def _module(call: Call, module: nn.Module, known: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
    handler = handler_of(module)
    if handler is None:
        raise call.refuse(f"{type(module).__name__} has no integer form")
    read = [*known[0], *known[1].values()]
    if len(read) != 1:
        raise call.refuse(f"a module must read one tensor, not {len(read)}")
    hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    foreign = [hook for hook in hooks if not isinstance(hook, BasePruningMethod)]
    if foreign:
        raise call.refuse(f"its hook {foreign[0]!r} may change what it computes; remove it before exporting")
    return handler(call, read[0], **bind_module(handler, module))


def _function(call: Call, node: fx.Node, known: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
    arguments, named = known
    sizes_only = bool(node.all_input_nodes) and not call.input_shape
    if sizes_only and node.target in _ARITHMETIC:
        # Arithmetic on sizes: the result is a size.
        return BATCH if BATCH in arguments else _ARITHMETIC[node.target](*arguments)
    handler = handler_of(node.target)
    if handler is None:
        raise call.refuse(f"it has no integer form; allowed are {', '.join(_names())}")
    return bind_function(call, handler, arguments, named)


def _names() -> list[str]:
    functions = [each for each in HANDLERS if not isinstance(each, type)]
    return sorted({each if isinstance(each, str) else getattr(each, "__name__", str(each)) for each in functions})
