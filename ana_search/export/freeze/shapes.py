"""Freezing what changes shapes: flattening, sizes, strided and padded shortcuts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ana_search.export.freeze.call import Call
from ana_search.export.freeze.values import BATCH, Codes, Value
from ana_search.export.integer import operations as ops

__all__ = ["attribute", "contiguous", "flatten", "item", "pad", "reshape", "size"]


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
    if len(call.shape) != 2:
        raise call.refuse(f"a shape of {list(call.shape[1:])} an image; allowed is flattening to [N, features]")
    if not isinstance(value, Codes):
        raise call.refuse("flattening needs quantised values")
    return replace(value, index=call.steps.add(ops.Flatten(), value.index, low=value.low, high=value.high))


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
    """One number of a shape, or ``x[:, :, ::s, ::s]``, the shortcut without weights."""
    if isinstance(value, tuple):
        return value[key]
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


def pad(call: Call, codes: Value, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Codes:
    """Zero channels for a shortcut: ``F.pad(x, (0, 0, 0, 0, before, after))``."""
    widths, rank = tuple(pad), len(call.input_shape)
    channels_only = len(widths) == 2 * rank - 2 and not any(widths[: 2 * rank - 4]) and min(widths) >= 0
    if not isinstance(codes, Codes) or not channels_only or mode != "constant" or value not in (None, 0, 0.0):
        raise call.refuse("allowed is adding channels of zeros to quantised values")
    low, high = min(codes.low, 0), max(codes.high, 0)
    operation = ops.PadChannels(int(widths[-2]), int(widths[-1]))
    return call.steps.codes(operation, codes.index, scale=codes.scale, low=low, high=high)
