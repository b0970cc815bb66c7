"""Freezing what changes shapes: flattening, sizes, strided and padded shortcuts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ana_search.export.freeze.branches import channels
from ana_search.export.freeze.call import Call
from ana_search.export.freeze.values import BATCH, Codes, Real, Value
from ana_search.export.integer import operations as ops
from ana_search.export.integer.branches import PadSides, Permute, Reshape

__all__ = [
    "attribute",
    "contiguous",
    "flatten",
    "item",
    "pad",
    "permute",
    "reshape",
    "size",
    "squeeze",
    "transpose",
    "zero_pad",
]


def flatten(call: Call, value: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    """``flatten`` to [N, features]."""
    return reshape(call, value)


def contiguous(call: Call, value: Value, *, memory_format: object = None) -> Value:
    """The same numbers in another place of memory."""
    return value


def reshape(call: Call, value: Value, *sizes: Any, shape: Any = None, size: Any = None) -> Value:
    """``view`` and ``reshape`` to [N, features].

    All of these keep the order of the elements, so that the shape of the result says all: the arguments, which the
    network was run with, need no second look.
    """
    assert call.shape is not None
    if call.input_shape == call.shape:
        return value
    operation = ops.Flatten() if len(call.shape) == 2 else Reshape(call.shape[1:])
    if isinstance(value, Real):
        return Real(call.steps.add(operation, value.index))
    if not isinstance(value, Codes):
        raise call.refuse("another shape needs quantised values")
    return replace(value, index=call.steps.add(operation, value.index, low=value.low, high=value.high))


def squeeze(call: Call, value: Value, dim: int | None = None) -> Value:
    """``squeeze`` of a dimension of size 1, and ``unsqueeze``."""
    if dim is None:
        raise call.refuse("without dim a batch of one image loses its dimension too; allowed is dim=, or flatten(1)")
    return reshape(call, value)


def permute(call: Call, value: Value, *dims: Any) -> Value:
    """Another order of the dimensions, the images first."""
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], list | tuple) else dims
    rank = len(call.input_shape)
    return _permuted(call, value, [each % rank for each in order])


def transpose(call: Call, value: Value, dim0: int, dim1: int) -> Value:
    """Two dimensions, neither of them the images, in each other's place."""
    order = list(range(len(call.input_shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return _permuted(call, value, order)


def _permuted(call: Call, value: Value, order: list[int]) -> Value:
    if order[0] != 0:
        raise call.refuse(f"dimensions in the order {order}; allowed are those with the images first")
    if not isinstance(value, Codes):
        raise call.refuse("another order of the dimensions needs quantised values")
    return replace(value, index=call.steps.add(Permute(order), value.index, low=value.low, high=value.high))


def size(call: Call, value: Value, dim: int | None = None) -> Any:
    """The shape of a value, as numbers; that of the batch stays open."""
    shape = (BATCH, *call.input_shape[1:])
    return shape if dim is None else shape[dim]


def attribute(call: Call, value: Value, name: str) -> Any:
    """``x.shape`` and ``x.ndim``."""
    if name == "shape":
        return size(call, value)
    if name == "ndim":
        return len(call.input_shape)
    raise call.refuse(f"the attribute {name!r} of a value; allowed are shape and ndim")


def item(call: Call, value: Any, key: Any) -> Any:
    """One number of a shape, one of several parts, ``x[:, a:b]``, or ``x[:, :, ::s, ::s]``."""
    if isinstance(value, tuple):
        return value[key]
    span = _span(key, call.input_shape)
    if span is not None:
        return channels(call, value, *span)
    steps: set[Any] = set()
    fits = isinstance(key, tuple) and len(key) == len(call.input_shape) == 4
    if fits:
        fits = all(isinstance(k, slice) and k.start in (None, 0) and k.stop is None for k in key)
        steps = {k.step for k in key[2:] if isinstance(k, slice)}
        fits = fits and all(isinstance(k, slice) and k.step in (None, 1) for k in key[:2])
    if not fits or len(steps) != 1 or not isinstance(value, Codes):
        raise call.refuse("allowed is x[:, :, ::s, ::s] of quantised values")
    step = int(steps.pop() or 1)
    return replace(value, index=call.steps.add(ops.Subsample(step), value.index, low=value.low, high=value.high))


def _span(key: Any, shape: torch.Size) -> tuple[int, int] | None:
    """Return the channels that ``x[:, a:b]`` keeps; None for any other key."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if len(parts) < 2 or len(parts) > len(shape) or not all(isinstance(each, slice) for each in parts):
        return None
    others = [parts[0], *parts[2:]]
    if any((each.start or 0, each.stop, each.step or 1) != (0, None, 1) for each in others):
        return None
    kept = range(*parts[1].indices(shape[1]))
    return (kept.start, kept.stop) if kept.step == 1 and len(kept) else None


def zero_pad(call: Call, codes: Value, padding: int | Sequence[int], value: float = 0.0) -> Codes:
    """``ZeroPad2d`` and its kin."""
    sides = 2 * (len(call.input_shape) - 2)
    return pad(call, codes, (padding,) * sides if isinstance(padding, int) else tuple(padding), value=value)


def pad(call: Call, codes: Value, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Codes:
    """Zero channels for a shortcut, ``F.pad(x, (0, 0, 0, 0, before, after))``, or zeros around the positions."""
    widths, rank = tuple(pad), len(call.input_shape)
    widths = (*widths, *(0,) * (2 * rank - 2 - len(widths)))
    fits = len(widths) == 2 * rank - 2 and all(type(each) is int and each >= 0 for each in widths)
    if not isinstance(codes, Codes) or not fits or mode != "constant" or value not in (None, 0, 0.0):
        raise call.refuse("allowed is adding zeros to quantised values: channels, or around the positions")
    low, high = min(codes.low, 0), max(codes.high, 0)
    operation: ops.Operation
    if any(widths[:-2]):
        if any(widths[-2:]):
            raise call.refuse("channels and positions of zeros at once; allowed is one after the other")
        operation = PadSides(widths[-4::-2], widths[-3::-2])
    else:
        operation = ops.PadChannels(int(widths[-2]), int(widths[-1]))
    return call.steps.codes(operation, codes.index, scale=codes.scale, low=low, high=high)
