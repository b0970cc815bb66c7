"""Freezing what a network does outside its modules: additions, flattening, pooling and shortcuts by function call."""

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn
from torch.nn import functional

from ana_search.export import operations as ops
from ana_search.export.values import Codes, Pending

if TYPE_CHECKING:
    from ana_search.export.freeze import Freezer

__all__ = ["apply_function"]


def apply_function(freezer: "Freezer", node: fx.Node) -> Any:
    """Return the value of a ``call_function`` or ``call_method`` node."""
    handler = _FUNCTIONS.get(node.target)
    if handler is None:
        raise freezer.refuse(node, f"it has no integer form; allowed are {', '.join(sorted(_names()))}")
    return handler(freezer, node)


def _names() -> set[str]:
    return {target if isinstance(target, str) else getattr(target, "__name__", str(target)) for target in _FUNCTIONS}


def _argument(node: fx.Node, position: int, name: str, default: Any = None) -> Any:
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def _input(freezer: "Freezer", node: fx.Node, position: int = 0) -> Any:
    argument = node.args[position]
    if not isinstance(argument, fx.Node):
        raise freezer.refuse(node, f"argument {position} is {argument!r}, not a tensor")
    return freezer.values[argument]


def _add(freezer: "Freezer", node: fx.Node) -> Codes | Pending:
    left, right = _input(freezer, node, 0), _input(freezer, node, 1)
    if freezer.shape(node.all_input_nodes[0]) != freezer.shape(node.all_input_nodes[-1]):
        raise freezer.refuse(node, "both terms must have one shape")
    if isinstance(left, Codes) and isinstance(right, Codes):
        scale = min(left.scale, right.scale)
        factors = left.scale / scale, right.scale / scale
        if any(factor != int(factor) for factor in factors):
            raise freezer.refuse(node, f"scales {left.scale} and {right.scale}; one must be a multiple of the other")
        a, b = (int(factor) for factor in factors)
        low, high = a * left.low + b * right.low, a * left.high + b * right.high
        return freezer.add_codes(ops.Add(a, b), left.index, right.index, scale=scale, low=low, high=high)
    if isinstance(left, Codes):
        left, right = right, left
    if isinstance(left, Pending) and isinstance(right, Codes) and left.side is None and not left.pools:
        return replace(left, side=right, side_at=len(left.functions))
    raise freezer.refuse(
        node, "one term of a sum must be quantised: give the projection of a shortcut a quantised activation of its own"
    )


def _flatten(freezer: "Freezer", node: fx.Node) -> Any:
    return freezer.flatten(node, _input(freezer, node))


def _same(freezer: "Freezer", node: fx.Node) -> Any:
    return _input(freezer, node)


def _size(freezer: "Freezer", node: fx.Node) -> None:
    """Sizes are only used to flatten, whose result is known from the shapes."""


def _elementwise(module: nn.Module) -> Callable[["Freezer", fx.Node], Any]:
    def handler(freezer: "Freezer", node: fx.Node) -> Any:
        return freezer.pending(node, _input(freezer, node)).then(module)

    return handler


def _max_pool(freezer: "Freezer", node: fx.Node) -> Any:
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    defaults = (None, None, 0, 1, False)
    settings = [_argument(node, i, n, d) for i, (n, d) in enumerate(zip(names, defaults, strict=True), 1)]
    return freezer.max_pool(node, _input(freezer, node), *settings)


def _average(freezer: "Freezer", node: fx.Node) -> Codes:
    keep = len(freezer.shape(node)) == len(freezer.shape(node.all_input_nodes[0]))
    return freezer.average(node, _input(freezer, node), keep=keep)


def _mean(freezer: "Freezer", node: fx.Node) -> Codes:
    rank = len(freezer.shape(node.all_input_nodes[0]))
    over = _argument(node, 1, "dim", ())
    over = sorted(each % rank for each in ((over,) if isinstance(over, int) else tuple(over)))
    if over != list(range(2, rank)):
        raise freezer.refuse(node, f"a mean over dimensions {over}; allowed is the mean over all positions")
    return _average(freezer, node)


def _slice(freezer: "Freezer", node: fx.Node) -> Codes | None:
    """``x[:, :, ::s, ::s]``, the shortcut without weights."""
    value, keys = _input(freezer, node), node.args[1]
    if value is None:
        return None  # one entry of a size, used to flatten
    steps: set[Any] = set()
    fits = isinstance(keys, tuple) and len(keys) == len(freezer.shape(node.all_input_nodes[0])) == 4
    if fits and isinstance(keys, tuple):
        fits = all(isinstance(k, slice) and k.start in (None, 0) and k.stop is None for k in keys)
        steps = {k.step for k in keys[2:] if isinstance(k, slice)}
        fits = fits and all(isinstance(k, slice) and k.step in (None, 1) for k in keys[:2])
    if not fits or len(steps) != 1 or not isinstance(value, Codes):
        raise freezer.refuse(node, "allowed is x[:, :, ::s, ::s] of quantised values")
    step = steps.pop()
    return replace(value, index=freezer.add(ops.Subsample(int(step or 1)), value.index, low=value.low, high=value.high))


def _pad(freezer: "Freezer", node: fx.Node) -> Codes:
    """Zero channels for a shortcut: ``F.pad(x, (0, 0, 0, 0, before, after))``."""
    value, widths = _input(freezer, node), tuple(_argument(node, 1, "pad"))
    mode, fill = _argument(node, 2, "mode", "constant"), _argument(node, 3, "value", None)
    rank = len(freezer.shape(node.all_input_nodes[0]))
    channels_only = len(widths) == 2 * rank - 2 and not any(widths[: 2 * rank - 4]) and min(widths) >= 0
    if not isinstance(value, Codes) or not channels_only or mode != "constant" or fill not in (None, 0, 0.0):
        raise freezer.refuse(node, "allowed is adding channels of zeros to quantised values")
    low, high = min(value.low, 0), max(value.high, 0)
    operation = ops.PadChannels(int(widths[-2]), int(widths[-1]))
    return freezer.add_codes(operation, value.index, scale=value.scale, low=low, high=high)


_FUNCTIONS: dict[Any, Callable[["Freezer", fx.Node], Any]] = {
    operator.add: _add,
    operator.iadd: _add,
    torch.add: _add,
    "add": _add,
    "add_": _add,
    torch.flatten: _flatten,
    "flatten": _flatten,
    "view": _flatten,
    "reshape": _flatten,
    torch.reshape: _flatten,
    "size": _size,
    getattr: _size,
    "contiguous": _same,
    functional.dropout: _same,
    torch.relu: _elementwise(nn.ReLU()),
    functional.relu: _elementwise(nn.ReLU()),
    "relu": _elementwise(nn.ReLU()),
    functional.hardtanh: _elementwise(nn.Hardtanh()),
    torch.tanh: _elementwise(nn.Tanh()),
    functional.max_pool1d: _max_pool,
    functional.max_pool2d: _max_pool,
    functional.max_pool3d: _max_pool,
    torch.max_pool2d: _max_pool,
    functional.adaptive_avg_pool1d: _average,
    functional.adaptive_avg_pool2d: _average,
    functional.avg_pool2d: _average,
    torch.mean: _mean,
    "mean": _mean,
    operator.getitem: _slice,
    functional.pad: _pad,
}
