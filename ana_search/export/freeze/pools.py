"""Freezing pools: maxima of codes, or before a quantiser that rises; averages as sums of codes."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from ana_search.export.freeze.call import Call
from ana_search.export.freeze.tail import mean_of_reals
from ana_search.export.freeze.values import Codes, Real, Value
from ana_search.export.integer import operations as ops
from ana_search.export.integer.branches import Take

__all__ = ["adaptive_average_pool", "adaptive_max_pool", "average_pool", "max_pool", "mean"]

Size = int | Sequence[int]


def max_pool(
    call: Call,
    value: Value,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Value:
    """Pool codes at once; remember the pool of a value that has no codes yet."""
    if return_indices:
        raise call.refuse("return_indices=True gives positions beside values; allowed is False")
    kernel = _sizes(call, kernel_size)
    pool = ops.MaxPool(
        kernel, _stride(call, stride, kernel), _sizes(call, padding), _sizes(call, dilation), bool(ceil_mode)
    )
    if isinstance(value, Codes):
        return call.steps.codes(pool, value.index, scale=value.scale, low=value.low, high=value.high)
    pending = call.pending(value)
    if pending.pools and pending.pooled_after != len(pending.functions):
        raise call.refuse("a second max-pool after more functions, without a quantiser between them")
    return replace(pending, pools=(*pending.pools, pool), pooled_after=len(pending.functions))


def average_pool(
    call: Call,
    value: Value,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Codes | Real:
    """Averages of codes: sums of windows, with the divisor in the scale."""
    kernel, pads = _sizes(call, kernel_size), _sizes(call, padding)
    steps = _stride(call, stride, kernel)
    before = call.input_shape[2:]
    if isinstance(value, Real):
        return _mean_of_reals(call, value, kernel == tuple(before) and not any(pads) and divisor_override is None)
    windows = [(s + 2 * p - k) // t + 1 for s, p, k, t in zip(before, pads, kernel, steps, strict=True)]
    if list(_shape(call)[2:]) != windows:
        raise call.refuse("ceil_mode=True adds windows that are not whole; allowed is False")
    if any(pads) and not count_include_pad and divisor_override is None:
        raise call.refuse("count_include_pad=False divides by another number at the border; allowed is True")
    divisor = math.prod(kernel) if divisor_override is None else divisor_override
    if divisor <= 0:
        raise call.refuse(f"divisor_override={divisor_override!r}; allowed are positive integers")
    if kernel == tuple(before) and not any(pads):
        return _summed(call, value, ops.GlobalSum(True), math.prod(kernel), divisor)
    window = ops.WindowSum(call.input_shape[1], kernel, steps, pads)
    return _summed(call, value, window, math.prod(kernel), divisor, padded=any(pads))


def adaptive_average_pool(call: Call, value: Value, output_size: Size | Sequence[int | None] | None) -> Value:
    """Averages of as many windows as asked, where these are of one size."""
    if isinstance(value, Real):
        return _mean_of_reals(call, value, all(each == 1 for each in _shape(call)[2:]))
    value, kernel, steps = _windows(call, value)
    if all(each == 1 for each in kernel):
        return value
    if isinstance(value, Codes) and kernel == tuple(call.input_shape[2:]):
        return _summed(call, value, ops.GlobalSum(True), math.prod(kernel), math.prod(kernel))
    window = ops.WindowSum(call.input_shape[1], kernel, steps, (0,) * len(kernel))
    return _summed(call, value, window, math.prod(kernel), math.prod(kernel))


def adaptive_max_pool(
    call: Call,
    value: Value,
    output_size: Size | Sequence[int | None] | None,
    return_indices: bool = False,
) -> Value:
    """Maxima of as many windows as asked, where these are of one size."""
    value, kernel, steps = _windows(call, value)
    return max_pool(call, value, kernel, steps, return_indices=return_indices)


def mean(
    call: Call, value: Value, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: object = None
) -> Codes | Real:
    """The mean over all positions."""
    rank = len(call.input_shape)
    over = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
    if sorted(each % rank for each in over) != list(range(2, rank)) or rank < 3:
        raise call.refuse(f"a mean over dimensions {dim}; allowed is the mean over all positions")
    if dtype not in (None, torch.float32):
        raise call.refuse(f"dtype={dtype!r}; allowed is none")
    if isinstance(value, Real):
        return mean_of_reals(call, value, keep=keepdim)
    positions = math.prod(call.input_shape[2:])
    return _summed(call, value, ops.GlobalSum(keepdim), positions, positions)


def _summed(
    call: Call, value: Value, operation: ops.Operation, count: int, divisor: int, *, padded: bool = False
) -> Codes:
    codes = _codes(call, value)
    low, high = (min(codes.low, 0), max(codes.high, 0)) if padded else (codes.low, codes.high)
    return call.steps.codes(operation, codes.index, scale=codes.scale / divisor, low=low * count, high=high * count)


def _codes(call: Call, value: Value) -> Codes:
    if not isinstance(value, Codes):
        raise call.refuse("only averages of quantised values have an integer form")
    return value


def _shape(call: Call) -> torch.Size:
    assert call.shape is not None
    return call.shape


def _mean_of_reals(call: Call, value: Real, over_all: bool) -> Real:
    if not over_all:
        raise call.refuse("only averages of quantised values have an integer form, or the mean over all positions")
    return mean_of_reals(call, value, keep=True)


def _windows(call: Call, value: Value) -> tuple[Value, tuple[int, ...], tuple[int, ...]]:
    """Return what an adaptive pool reads, and its windows and steps, from the shapes before and after it.

    Output i of a out of b positions covers those from floor(i b / a) to before ceil((i + 1) b / a). Where such windows
    have one size but no even step, their positions are laid out one window after the other.
    """
    before, after = call.input_shape[2:], _shape(call)[2:]
    spans = [[(i * b // a, -(-(i + 1) * b // a)) for i in range(a)] for b, a in zip(before, after, strict=True)]
    sizes = [{stop - start for start, stop in each} for each in spans]
    if any(len(each) != 1 for each in sizes):
        raise call.refuse(f"windows of {list(before)} to {list(after)} are not alike; allowed are those of one size")
    kernel = tuple(each.pop() for each in sizes)
    steps = tuple(each[1][0] if len(each) > 1 else size for each, size in zip(spans, kernel, strict=True))
    if (
        all(start == i * t for each, t in zip(spans, steps, strict=True) for i, (start, _) in enumerate(each))
        and min(steps) > 0
    ):
        return value, kernel, steps
    codes = _codes(call, value)
    taken = Take([[at for start, stop in each for at in range(start, stop)] for each in spans])
    return call.steps.codes(taken, codes.index, scale=codes.scale, low=codes.low, high=codes.high), kernel, kernel


def _sizes(call: Call, value: Size) -> tuple[int, ...]:
    rank = len(call.input_shape) - 2
    sizes = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(sizes) == 1:
        sizes = sizes * rank
    if len(sizes) != rank or not all(type(each) is int for each in sizes):
        raise call.refuse(f"a size of {value!r}; allowed are {rank} integers")
    return sizes


def _stride(call: Call, stride: Size | None, kernel: tuple[int, ...]) -> tuple[int, ...]:
    return kernel if stride is None or stride == [] else _sizes(call, stride)
