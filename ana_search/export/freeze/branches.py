"""Freezing what joins and parts branches: ``cat``, ``chunk``, ``split``, products with gates."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ana_search.export.freeze.call import Call
from ana_search.export.freeze.values import Codes, Pending, Value
from ana_search.export.integer import branches as ops
from ana_search.export.integer.operations import is_dyadic

__all__ = ["cat", "channels", "chunk", "multiply", "split"]


def cat(call: Call, tensors: Sequence[Value], dim: int = 0) -> Codes:
    """Codes side by side, on the finest of their grids."""
    rank = len(_shape(call))
    if dim % rank != 1:
        raise call.refuse(f"dim={dim}; allowed is 1, the channels")
    codes = [each for each in tensors if isinstance(each, Codes)]
    if len(codes) != len(tensors):
        raise call.refuse("all that is put side by side must be quantised")
    scale = min(each.scale for each in codes)
    factors = [each.scale / scale for each in codes]
    if any(factor != int(factor) for factor in factors):
        raise call.refuse(f"scales {[each.scale for each in codes]}; each must be a multiple of the least")
    whole = [int(factor) for factor in factors]
    low = min(f * each.low for f, each in zip(whole, codes, strict=True))
    high = max(f * each.high for f, each in zip(whole, codes, strict=True))
    return call.steps.codes(ops.Concat(whole), *(each.index for each in codes), scale=scale, low=low, high=high)


def chunk(call: Call, value: Value, chunks: int, dim: int = 0) -> tuple[Codes, ...]:
    """As many parts of the channels, the last of which may be smaller."""
    size = -(-call.input_shape[1] // chunks)
    return split(call, value, size, dim)


def split(call: Call, value: Value, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Codes, ...]:
    """Parts of the channels, of one size or of several."""
    rank, count = len(call.input_shape), call.input_shape[1]
    if dim % rank != 1:
        raise call.refuse(f"dim={dim}; allowed is 1, the channels")
    size = split_size_or_sections
    sizes = [size] * -(-count // size) if isinstance(size, int) else list(size)
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return tuple(channels(call, value, s, min(s + n, count)) for s, n in zip(starts, sizes, strict=True))


def channels(call: Call, value: Value, start: int, stop: int) -> Codes:
    """The channels from ``start`` to before ``stop``."""
    if not isinstance(value, Codes):
        raise call.refuse("only quantised values are parted")
    operation = ops.Channels(start, stop)
    return call.steps.codes(operation, value.index, scale=value.scale, low=value.low, high=value.high)


def multiply(call: Call, left: Any, other: Any) -> Codes | Pending:
    """Codes times codes, of one shape or with one number a channel; or a value times a number."""
    for value, factor in ((left, other), (other, left)):
        if isinstance(factor, int | float) and isinstance(value, Codes | Pending):
            return call.pending(value).then(_times(float(factor)), affine=True)
    if not isinstance(left, Codes) or not isinstance(other, Codes):
        raise call.refuse("both factors must be quantised, or one a number")
    shapes = {call.input_shape, call.other_shape}
    gates = [all(each == 1 for each in shape[2:]) for shape in shapes]
    if len({shape[:2] for shape in shapes}) != 1 or len({len(shape) for shape in shapes}) != 1:
        raise call.refuse(f"factors of shapes {list(call.input_shape[1:])} and {list(call.other_shape[1:])} an image")
    if len(shapes) == 2 and not any(gates):
        raise call.refuse("factors must have one shape, or one of them one number a channel")
    scale = left.scale * other.scale
    if not is_dyadic(scale):
        raise call.refuse(f"factors of scales {left.scale} and {other.scale}: quantise averages first")
    ends = [a * b for a in (left.low, left.high) for b in (other.low, other.high)]
    return call.steps.codes(ops.Product(), left.index, other.index, scale=scale, low=min(ends), high=max(ends))


def _times(number: float) -> Callable[[Tensor], Tensor]:
    return lambda x: x * number


def _shape(call: Call) -> Sequence[int]:
    assert call.shape is not None
    return call.shape
