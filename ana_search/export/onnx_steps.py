"""How each operation of a frozen network is written in ONNX.

Codes travel as uint8, ``code + zero`` with the tensor's zero point, wherever their range fits; wider integers as
int32. Linear maps are 1x1 convolutions over the batch, because ``QLinearConv`` has a bias and ``QLinearMatMul`` has
none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from torch import nn

from ana_search.errors import ExportRequestError
from ana_search.export import operations as ops
from ana_search.export.onnx_builder import OnnxBuilder
from ana_search.export.requantise import Requantisation, fit

__all__ = ["WRITERS", "Range", "Written", "fused", "to_uint8"]

_BYTE = 255
_INT8 = 127
# Two products of a uint8 and an int8 are added in 16 bits with saturation on x86 without VNNI.
_PAIR_LIMIT = 2**15 - 1
_SUMMED_COMPARISONS = 15


@dataclass(frozen=True)
class Written:
    """A tensor of the ONNX graph: its integers are the stored values minus ``zero``; they lie in [``low``, ``high``].

    ``bytes`` tells uint8 from int32; ``rank`` is the number of dimensions.
    """

    name: str
    low: int
    high: int
    rank: int
    zero: int = 0
    is_byte: bool = True


@dataclass(frozen=True)
class Range:
    """The integers that a step may give, and the rank of its value."""

    low: int
    high: int
    rank: int


def to_int32(build: OnnxBuilder, value: Written) -> Written:
    """Return ``value`` as int32 without a zero point."""
    if not value.is_byte:
        return value
    name = build.cast(value.name, TensorProto.INT32)
    if value.zero:
        name = build.node("Sub", name, build.constant(value.zero, np.int32))
    return Written(name, value.low, value.high, value.rank, 0, False)


def to_uint8(build: OnnxBuilder, value: Written) -> Written:
    """Return ``value`` as uint8 where its range fits, else as it is."""
    low, high = min(value.low, 0), max(value.high, 0)
    if value.is_byte or high - low > _BYTE:
        return value
    name = value.name if low == 0 else build.node("Add", value.name, build.constant(-low, np.int32))
    return Written(build.cast(name, TensorProto.UINT8), value.low, value.high, value.rank, -low)


def _across(values: NDArray[Any], rank: int) -> NDArray[Any]:
    return values.reshape(-1, *[1] * (rank - 2))


def input_table(build: OnnxBuilder, operation: ops.InputTable, inputs: list[Written], out: Range) -> Written:
    """``Gather`` from the table of each channel."""
    table = operation.table.numpy().astype(np.int64)
    zero = max(0, -int(table.min()))
    index = build.cast(inputs[0].name, TensorProto.INT32)
    if (table == table[0]).all():
        table = table[:1]
    else:
        index = build.node("Add", index, build.constant(_across(256 * np.arange(len(table)), out.rank), np.int32))
    name = build.node("Gather", build.constant((table + zero).reshape(-1), np.uint8), index, axis=0)
    return Written(name, out.low, out.high, out.rank, zero)


def _weight(build: OnnxBuilder, stored: NDArray[np.int8], spread: int, unsigned: bool) -> str:
    """Return the weights as int8 (or uint8 with zero point 128), times ``spread``; runtimes fold this at load time."""
    name = build.packed("weight", stored)
    if unsigned:
        name = build.cast(name, TensorProto.INT32)
        if spread != 1:
            name = build.node("Mul", name, build.constant(spread, np.int32))
        return build.cast(build.node("Add", name, build.constant(128, np.int32)), TensorProto.UINT8)
    name = build.cast(name, TensorProto.INT8)
    return name if spread == 1 else build.node("Mul", name, build.constant(spread, np.int8))


def _saturates(value: Written, weight: NDArray[np.int8], spread: int) -> bool:
    return 2 * (value.high + value.zero) * spread * int(np.abs(weight.astype(np.int64)).max(initial=0)) > _PAIR_LIMIT


def _geometry(operation: ops.IntegerMap) -> dict[str, Any]:
    return {
        "strides": operation.stride,
        "pads": operation.padding * 2,
        "dilations": operation.dilation,
        "group": operation.groups,
    }


def fused(
    build: OnnxBuilder, operation: ops.IntegerMap, steps: ops.Thresholds, value: Written, out: Range
) -> Written | None:
    """Write a map and its thresholds as ``QLinearConv`` and ``Clip``; None where no channel-wise factor is exact."""
    if not value.is_byte or max(0, -out.low) + out.high > _BYTE:
        return None
    found = _requantisation(operation, steps, value)
    if found is None:
        return None
    linear = operation.dimensions == 0
    weight = operation.weight.numpy()
    unsigned = _saturates(value, weight, found.spread)
    stored = weight[:, :, None, None] if linear else weight
    zero = max(0, -out.low)
    one, channels = build.constant(1.0, np.float32), len(weight)
    weight_zero = build.constant(np.full(channels, 128 if unsigned else 0), np.uint8 if unsigned else np.int8)
    name, axes = value.name, build.constant([0, 2], np.int64)
    if linear:
        name = build.node("Unsqueeze", build.node("Transpose", name, perm=[1, 0]), axes)
    name = build.node(
        "QLinearConv",
        *(name, one, build.constant(value.zero, np.uint8)),
        *(_weight(build, stored, found.spread, unsigned), build.constant(found.multiplier, np.float32), weight_zero),
        *(one, build.constant(zero, np.uint8), build.constant(found.bias, np.int32)),
        **({} if linear else _geometry(operation)),
    )
    first, last = out.low + zero, out.high + zero
    if (first, last) != (0, _BYTE):
        name = build.node("Clip", name, build.constant(first, np.uint8), build.constant(last, np.uint8))
    if linear:
        name = build.node("Transpose", build.node("Squeeze", name, axes), perm=[1, 0])
    return Written(name, out.low, out.high, out.rank, zero)


def _requantisation(operation: ops.IntegerMap, steps: ops.Thresholds, value: Written) -> Requantisation | None:
    largest = max(1, int(operation.weight.abs().max()))
    low, high = ops.accumulator_range(operation.weight, value.low, value.high)
    byte = value.high + value.zero
    portable = _PAIR_LIMIT // max(1, 2 * byte * largest)
    top = min(_INT8 // largest, portable or 1)
    spreads = sorted({*(2**power for power in range(7) if 2**power <= top), top})
    return fit(steps.thresholds.numpy(), steps.levels.numpy(), low.numpy(), high.numpy(), spreads)


def integer_map(build: OnnxBuilder, operation: ops.IntegerMap, inputs: list[Written], out: Range) -> Written:
    """``ConvInteger`` or ``MatMulInteger``; in ``float32`` (exactly) for inputs wider than 8 bits."""
    value, weight = to_uint8(build, inputs[0]), operation.weight.numpy()
    linear = operation.dimensions == 0
    stored = np.ascontiguousarray(weight.T) if linear else weight
    geometry = {} if linear else _geometry(operation)
    if not value.is_byte:
        if operation.limit > ops.EXACT_FLOAT32:
            raise ExportRequestError(
                f"a map of {tuple(weight.shape)} weights on codes in [{value.low}, {value.high}] may reach "
                f"{operation.limit}; allowed for codes wider than 8 bits is {ops.EXACT_FLOAT32}"
            )
        real = build.cast(value.name, TensorProto.FLOAT)
        factor = build.cast(build.packed("weight", stored), TensorProto.FLOAT)
        name = build.cast(build.node("MatMul" if linear else "Conv", real, factor, **geometry), TensorProto.INT32)
    else:
        unsigned = _saturates(value, weight, 1)
        zeros = [build.constant(value.zero, np.uint8)]
        zeros += [build.constant(128, np.uint8)] if unsigned else []
        factor = _weight(build, stored, 1, unsigned)
        name = build.node("MatMulInteger" if linear else "ConvInteger", value.name, factor, *zeros, **geometry)
    return Written(name, out.low, out.high, out.rank, 0, False)


def thresholds(build: OnnxBuilder, operation: ops.Thresholds, inputs: list[Written], out: Range) -> Written:
    """Sums of ``GreaterOrEqual`` for few thresholds, bisection with ``Gather`` for many."""
    value = to_int32(build, inputs[0])
    table = operation.thresholds.numpy()
    if table.shape[1] <= _SUMMED_COMPARISONS:
        count = ""
        for column in table.T:
            reached = build.node("GreaterOrEqual", value.name, build.constant(_across(column, value.rank), np.int32))
            reached = build.cast(reached, TensorProto.UINT8)
            count = build.node("Add", count, reached) if count else reached
    else:
        rows = _across(np.arange(len(table)), value.rank)
        count = _bisect(build, value.name, build.constant(rows, np.int32), table)
    return _levels(build, count, operation.levels.numpy(), out)


def side_thresholds(build: OnnxBuilder, operation: ops.SideThresholds, inputs: list[Written], out: Range) -> Written:
    """Bisection with ``Gather``, in a table whose row is picked by the channel and by the second input's code."""
    value, side = to_int32(build, inputs[0]), to_int32(build, inputs[1])
    table = operation.thresholds.numpy()
    channels, codes, count = table.shape
    first = _across(np.arange(channels) * codes - operation.side_low, value.rank)
    rows = build.node("Add", side.name, build.constant(first, np.int32))
    reached = _bisect(build, value.name, rows, table.reshape(channels * codes, count))
    return _levels(build, reached, operation.levels.numpy(), out)


def _bisect(build: OnnxBuilder, value: str, rows: str, table: NDArray[np.int64]) -> str:
    """Return how many of the thresholds of its row every element has reached (int32)."""
    width = 2 ** int(table.shape[1]).bit_length() - 1
    padded = np.full((len(table), width), np.iinfo(np.int32).max)
    padded[:, : table.shape[1]] = table
    flat = build.constant(padded.reshape(-1), np.int32)
    start = build.node("Mul", rows, build.constant(width, np.int32))
    position, step = start, (width + 1) // 2
    while step:
        probe = position if step == 1 else build.node("Add", position, build.constant(step - 1, np.int32))
        reached = build.node("GreaterOrEqual", value, build.node("Gather", flat, probe, axis=0))
        gain = build.cast(reached, TensorProto.INT32)
        gain = gain if step == 1 else build.node("Mul", gain, build.constant(step, np.int32))
        position, step = build.node("Add", position, gain), step // 2
    count = build.node("Sub", position, start)
    return count if width > _BYTE else build.cast(count, TensorProto.UINT8)


def _levels(build: OnnxBuilder, count: str, levels: NDArray[np.int64], out: Range) -> Written:
    """Return the level of every count (uint8, or int32 where there are more levels than a byte has)."""
    if max(0, -out.low) + out.high > _BYTE:
        name = build.cast(count, TensorProto.INT32)
        if np.array_equal(levels, levels[0] + np.arange(len(levels))):
            name = build.node("Add", name, build.constant(levels[0], np.int32))
        else:
            name = build.node("Gather", build.constant(levels, np.int32), name, axis=0)
        return Written(name, out.low, out.high, out.rank, 0, False)
    zero = max(0, -int(levels[0]))
    codes = levels + zero
    if not np.array_equal(codes, np.arange(len(codes))):
        index = build.cast(count, TensorProto.INT32)
        count = build.node("Gather", build.constant(codes, np.uint8), index, axis=0)
    return Written(count, out.low, out.high, out.rank, zero)


def max_pool(build: OnnxBuilder, operation: ops.MaxPool, inputs: list[Written], out: Range) -> Written:
    """``MaxPool``, which ONNX has for 8-bit integers."""
    value = to_uint8(build, inputs[0])
    attributes: dict[str, Any] = {
        "kernel_shape": operation.kernel,
        "strides": operation.stride,
        "pads": operation.padding * 2,
        "dilations": operation.dilation,
        "ceil_mode": int(operation.ceil_mode),
    }
    if value.is_byte:
        return Written(build.node("MaxPool", value.name, **attributes), out.low, out.high, out.rank, value.zero)
    pooled = build.node("MaxPool", build.cast(value.name, TensorProto.FLOAT), **attributes)
    return Written(build.cast(pooled, TensorProto.INT32), out.low, out.high, out.rank, 0, False)


def reflect(build: OnnxBuilder, operation: ops.Reflect, inputs: list[Written], out: Range) -> Written:
    """``total - x`` in some channels."""
    value = to_int32(build, inputs[0])
    turned = build.node("Sub", build.constant(operation.total, np.int32), value.name)
    mask = build.constant(_across(operation.mask.numpy(), value.rank), np.bool_)
    name = build.node("Where", mask, turned, value.name)
    return to_uint8(build, Written(name, out.low, out.high, out.rank, 0, False))


def add(build: OnnxBuilder, operation: ops.Add, inputs: list[Written], out: Range) -> Written:
    """The sum: in uint8 where it fits, else in int32."""
    left, right = inputs
    factors = (operation.left_factor, operation.right_factor)
    zero = left.zero + right.zero
    if left.is_byte and right.is_byte and factors == (1, 1) and left.high + right.high + zero <= _BYTE:
        return Written(build.node("Add", left.name, right.name), out.low, out.high, out.rank, zero)
    terms = []
    for value, factor in zip(inputs, factors, strict=True):
        name = to_int32(build, value).name
        terms.append(name if factor == 1 else build.node("Mul", name, build.constant(factor, np.int32)))
    return to_uint8(build, Written(build.node("Add", *terms), out.low, out.high, out.rank, 0, False))


def multiply(build: OnnxBuilder, operation: ops.Multiply, inputs: list[Written], out: Range) -> Written:
    """``Mul``, in int32."""
    name = build.node("Mul", *(to_int32(build, value).name for value in inputs))
    return Written(name, out.low, out.high, out.rank, 0, False)


def clamp(build: OnnxBuilder, operation: ops.Clamp, inputs: list[Written], out: Range) -> Written:
    """``Clip``."""
    value, zero = inputs[0], max(0, -out.low)
    if value.is_byte:
        limits = [build.constant(limit + value.zero, np.uint8) for limit in (operation.low, operation.high)]
        name = build.node("Clip", value.name, *limits)
        shift = value.zero - zero
        return Written(build.node("Sub", name, build.constant(shift, np.uint8)), out.low, out.high, out.rank, zero)
    limits = [build.constant(limit, np.int32) for limit in (operation.low, operation.high)]
    return to_uint8(build, Written(build.node("Clip", value.name, *limits), out.low, out.high, out.rank, 0, False))


def global_sum(build: OnnxBuilder, operation: ops.GlobalSum, inputs: list[Written], out: Range) -> Written:
    """The sum over all positions, in int32."""
    value = to_int32(build, inputs[0])
    axes = build.constant(range(2, value.rank), np.int64)
    name = build.node("ReduceSum", value.name, axes, keepdims=int(operation.keep))
    return Written(name, out.low, out.high, out.rank, 0, False)


def subsample(build: OnnxBuilder, operation: ops.Subsample, inputs: list[Written], out: Range) -> Written:
    """Every so many rows and columns."""
    start, end = build.constant([0, 0], np.int64), build.constant([2**31 - 1] * 2, np.int64)
    axes, steps = build.constant([2, 3], np.int64), build.constant([operation.step] * 2, np.int64)
    name = build.node("Slice", inputs[0].name, start, end, axes, steps)
    return Written(name, out.low, out.high, out.rank, inputs[0].zero, inputs[0].is_byte)


def pad_channels(build: OnnxBuilder, operation: ops.PadChannels, inputs: list[Written], out: Range) -> Written:
    """More channels, of zeros."""
    value, rest = inputs[0], [0] * (inputs[0].rank - 2)
    pads = build.constant([0, operation.before, *rest, 0, operation.after, *rest], np.int64)
    fill = build.constant(value.zero, np.uint8 if value.is_byte else np.int32)
    name = build.node("Pad", value.name, pads, fill)
    return Written(name, out.low, out.high, out.rank, value.zero, value.is_byte)


def flatten(build: OnnxBuilder, operation: ops.Flatten, inputs: list[Written], out: Range) -> Written:
    """[N, features]."""
    value = inputs[0]
    return Written(build.node("Flatten", value.name, axis=1), out.low, out.high, 2, value.zero, value.is_byte)


def _real(build: OnnxBuilder, value: Written) -> str:
    name = build.cast(value.name, TensorProto.DOUBLE)
    return build.node("Sub", name, build.constant(value.zero, np.float64)) if value.zero else name


def classifier(build: OnnxBuilder, operation: ops.Classifier, inputs: list[Written], out: Range) -> Written:
    """``Gemm`` in double precision on the scaled codes."""
    real = build.node("Mul", _real(build, inputs[0]), build.constant(operation.scale, np.float64))
    weight = build.cast(build.constant(operation.weight.numpy(), np.float32), TensorProto.DOUBLE)
    bias = build.cast(build.constant(operation.bias.numpy(), np.float32), TensorProto.DOUBLE)
    name = build.node("Gemm", real, weight, bias, transB=1)
    return Written(build.cast(name, TensorProto.FLOAT, output="logits"), 0, 0, 2, 0, False)


def rescale(build: OnnxBuilder, operation: ops.Rescale, inputs: list[Written], out: Range) -> Written:
    """One factor and offset a channel, in double precision."""
    rank = inputs[0].rank
    scale = build.constant(_across(operation.scale.numpy(), rank), np.float64)
    offset = build.constant(_across(operation.offset.numpy(), rank), np.float64)
    name = build.node("Add", build.node("Mul", _real(build, inputs[0]), scale), offset)
    return Written(build.cast(name, TensorProto.FLOAT, output="logits"), 0, 0, rank, 0, False)


Writer = Callable[[OnnxBuilder, Any, list[Written], Range], Written]
WRITERS: dict[type[nn.Module], Writer] = {
    ops.InputTable: input_table,
    ops.IntegerMap: integer_map,
    ops.Thresholds: thresholds,
    ops.SideThresholds: side_thresholds,
    ops.MaxPool: max_pool,
    ops.Reflect: reflect,
    ops.Add: add,
    ops.Clamp: clamp,
    ops.Multiply: multiply,
    ops.GlobalSum: global_sum,
    ops.Subsample: subsample,
    ops.PadChannels: pad_channels,
    ops.Flatten: flatten,
    ops.Classifier: classifier,
    ops.Rescale: rescale,
}
