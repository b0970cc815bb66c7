"""How each operation of a frozen network is written for onnxruntime.

Codes travel as uint8, ``code + zero`` with the tensor's zero point, wherever their range fits; wider integers as
int32. Linear maps are 1x1 convolutions over the batch, because ``QLinearConv`` has a bias and ``QLinearMatMul`` has
none.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from ana_search.errors import ExportRequestError
from ana_search.export.formats.base import names
from ana_search.export.formats.line import Line, find_line
from ana_search.export.formats.requantise import Requantisation, fit
from ana_search.export.formats.writer import OUTPUT, GraphWriter, Range, Written, across
from ana_search.export.integer import FrozenNetwork, branches, tail
from ana_search.export.integer import operations as ops

__all__ = ["OnnxWriter", "to_onnx"]

_BYTE = 255
_INT8 = 127
# Two products of a uint8 and an int8 are added in 16 bits with saturation on x86 without VNNI.
_PAIR_LIMIT = 2**15 - 1
_SUMMED_COMPARISONS = 15


def to_onnx(frozen: FrozenNetwork, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
    """Return ``frozen`` as an ONNX model: uint8 ``pixels`` [N, C, H, W] → float32 ``logits`` [N, classes].

    The model's metadata names, under ``ana_search.layers``, the tensor and zero point that hold the codes of
    every quantised layer.

    Raises:
        ExportRequestError: integers wider than a runtime computes exactly.
    """
    model = OnnxWriter(frozen).write(metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


class OnnxWriter(GraphWriter):
    """Writes for onnxruntime."""

    opset = 25
    ir_version = 13
    input_type = TensorProto.UINT8
    number = np.int32
    counter: ClassVar[int] = TensorProto.UINT8
    """The narrowest integers that ``Add`` takes at this opset."""
    has_doubles: ClassVar[bool] = True
    """Whether the runtimes compute ``float64`` as such."""
    operators = names(
        "Add Cast Clip Concat Conv ConvInteger Equal Flatten Gather Gemm GreaterOrEqual LogSoftmax MatMul "
        "MatMulInteger MaxPool Mul Pad QLinearConv ReduceSum Relu Reshape Sigmoid Slice Softmax Squeeze Sub Tanh "
        "Transpose Unsqueeze Where"
    )

    def __init__(self, frozen: FrozenNetwork) -> None:
        super().__init__(frozen)
        self._readers = Counter(index for step in frozen.steps for index in step.inputs)
        self._done: dict[int, Written] = {}

    def step(self, number: int, inputs: list[Written], out: Range) -> Written:
        """Write a step; a map and the thresholds that alone read it become one node where that is exact."""
        if number in self._done:
            return self._done[number]
        steps = self.frozen.steps
        operation = steps[number - 1].operation
        following = steps[number] if number < len(steps) else None
        if (
            isinstance(operation, ops.IntegerMap)
            and following is not None
            and isinstance(following.operation, ops.Thresholds)
            and following.inputs == (number,)
            and self._readers[number] == 1
        ):
            reach = Range(following.low, following.high, len(self.shapes[number + 1]))
            both = self.fused(operation, following.operation, inputs[0], reach)
            if both is not None:
                self._done[number + 1] = both
                return both
        written = super().step(number, inputs, out)
        if isinstance(operation, ops.IntegerMap):
            low, high = ops.accumulator_range(operation.weight, inputs[0].low, inputs[0].high)
            return replace(written, reach=(low.numpy(), high.numpy()))
        return written

    def byte(self, name: str, out: Range, zero: int) -> Written:
        """Return a tensor of uint8 with its zero point."""
        return Written(name, out.low, out.high, out.rank, zero, is_byte=True)

    def to_int32(self, value: Written) -> Written:
        """Return ``value`` as int32 without a zero point."""
        if not value.is_byte:
            return value
        name = self.build.cast(value.name, TensorProto.INT32)
        if value.zero:
            name = self.node("Sub", name, self.constant(value.zero))
        return Written(name, value.low, value.high, value.rank, 0, False)

    def to_uint8(self, value: Written) -> Written:
        """Return ``value`` as uint8 where its range fits, else as it is."""
        low, high = min(value.low, 0), max(value.high, 0)
        if value.is_byte or high - low > _BYTE:
            return value
        name = value.name if low == 0 else self.node("Add", value.name, self.constant(-low))
        name = self.build.cast(name, TensorProto.UINT8)
        return Written(name, value.low, value.high, value.rank, -low, is_byte=True)

    def input_table(self, operation: ops.InputTable, inputs: list[Written], out: Range) -> Written:
        """``Gather`` from the table of each channel."""
        table = operation.table.numpy().astype(np.int64)
        zero = max(0, -int(table.min()))
        index = self.build.cast(inputs[0].name, TensorProto.INT32)
        if (table == table[0]).all():
            table = table[:1]
        else:
            index = self.node(
                "Add", index, self.build.constant(across(256 * np.arange(len(table)), out.rank), np.int32)
            )
        name = self.node("Gather", self.build.constant((table + zero).reshape(-1), np.uint8), index, axis=0)
        return self.byte(name, out, zero)

    def _weight(self, stored: NDArray[np.int8], spread: int, unsigned: bool) -> str:
        """Return the weights as int8 (or uint8 with zero point 128), times ``spread``; runtimes fold this."""
        name = self.build.packed("weight", stored)
        if unsigned:
            name = self.build.cast(name, TensorProto.INT32)
            if spread != 1:
                name = self.node("Mul", name, self.constant(spread))
            return self.build.cast(self.node("Add", name, self.constant(128)), TensorProto.UINT8)
        name = self.build.cast(name, TensorProto.INT8)
        return name if spread == 1 else self.node("Mul", name, self.build.constant(spread, np.int8))

    def fused(self, operation: ops.IntegerMap, steps: ops.Thresholds, value: Written, out: Range) -> Written | None:
        """Write a map and its thresholds as ``QLinearConv`` and ``Clip``; None where no factor a channel is exact."""
        if not value.is_byte or max(0, -out.low) + out.high > _BYTE:
            return None
        found = requantisation(operation, steps, value)
        return None if found is None else self.requantised(operation, found, value, out)

    def requantised(self, operation: ops.IntegerMap, found: Requantisation, value: Written, out: Range) -> Written:
        """Write a map whose codes are its sums, times a factor and rounded."""
        linear = operation.dimensions == 0
        weight = operation.weight.numpy()
        unsigned = saturates(value, weight, found.spread)
        stored = weight[:, :, None, None] if linear else weight
        zero = max(0, -out.low)
        one, channels = self.build.constant(1.0, np.float32), len(weight)
        weight_zero = self.build.constant(np.full(channels, 128 if unsigned else 0), np.uint8 if unsigned else np.int8)
        name, axes = value.name, self.build.constant([0, 2], np.int64)
        if linear:
            name = self.node("Unsqueeze", self.node("Transpose", name, perm=[1, 0]), axes)
        name = self.node(
            "QLinearConv",
            *(name, one, self.build.constant(value.zero, np.uint8)),
            *(
                self._weight(stored, found.spread, unsigned),
                self.build.constant(found.multiplier, np.float32),
                weight_zero,
            ),
            *(one, self.build.constant(zero, np.uint8), self.constant(found.bias)),
            **operation.onnx_attributes,
        )
        name = self.limited(name, out, zero)
        if linear:
            name = self.node("Transpose", self.node("Squeeze", name, axes), perm=[1, 0])
        return self.byte(name, out, zero)

    def limited(self, name: str, out: Range, zero: int) -> str:
        """Return a tensor of uint8 with a zero point, clipped to the integers that it may hold."""
        limits = out.low + zero, out.high + zero
        if limits == (0, _BYTE):
            return name
        return self.node("Clip", name, *(self.build.constant(each, np.uint8) for each in limits))

    def integer_map(self, operation: ops.IntegerMap, inputs: list[Written], out: Range) -> Written:
        """``ConvInteger`` or ``MatMulInteger``; in ``float32`` (exactly) for inputs wider than 8 bits."""
        value, weight = self.to_uint8(inputs[0]), operation.weight.numpy()
        linear = operation.dimensions == 0
        stored = np.ascontiguousarray(weight.T) if linear else weight
        if not value.is_byte:
            if operation.limit > ops.EXACT_FLOAT32:
                raise ExportRequestError(
                    f"a map of {tuple(weight.shape)} weights on codes in [{value.low}, {value.high}] may reach "
                    f"{operation.limit}; allowed for codes wider than 8 bits is {ops.EXACT_FLOAT32}"
                )
            real = self.build.cast(value.name, TensorProto.FLOAT)
            factor = self.build.cast(self.build.packed("weight", stored), TensorProto.FLOAT)
            name = self.build.cast(
                self.node("MatMul" if linear else "Conv", real, factor, **operation.onnx_attributes), TensorProto.INT32
            )
        else:
            unsigned = saturates(value, weight, 1)
            zeros = [self.build.constant(value.zero, np.uint8)]
            zeros += [self.build.constant(128, np.uint8)] if unsigned else []
            factor = self._weight(stored, 1, unsigned)
            name = self.node(
                "MatMulInteger" if linear else "ConvInteger", value.name, factor, *zeros, **operation.onnx_attributes
            )
        return self.wide(name, out)

    def thresholds(self, operation: ops.Thresholds, inputs: list[Written], out: Range) -> Written:
        """Sums of ``GreaterOrEqual`` for few thresholds; for many a line where one is exact, else bisection."""
        table = operation.thresholds.numpy()
        if self.has_doubles and table.shape[1] > _SUMMED_COMPARISONS and inputs[0].reach is not None:
            found = find_line(table, operation.levels.numpy(), *inputs[0].reach)
            if found is not None:
                return self._levels(self._on_line(inputs[0], found, table.shape[1]), operation.levels.numpy(), out)
        value = self.to_int32(inputs[0])
        if table.shape[1] <= _SUMMED_COMPARISONS:
            count = ""
            for column in table.T:
                reached = self.node("GreaterOrEqual", value.name, self.constant(across(column, value.rank)))
                reached = self.build.cast(reached, self.counter)
                count = self.node("Add", count, reached) if count else reached
            count = count if self.counter == TensorProto.UINT8 else self.build.cast(count, TensorProto.UINT8)
        else:
            rows = across(np.arange(len(table)), value.rank)
            count = self._bisect(value.name, self.constant(rows), table)
        return self._levels(count, operation.levels.numpy(), out)

    def _on_line(self, value: Written, found: Line, count: int) -> str:
        """Return how many thresholds every element has reached, by one multiplication and one addition."""
        factor, offset = (
            self.build.constant(across(each, value.rank), np.float64) for each in (found.factor, found.offset)
        )
        name = self.node("Mul", self.build.cast(value.name, TensorProto.DOUBLE), factor)
        limits = [self.build.constant(each, np.float64) for each in (0, count)]
        name = self.node("Clip", self.node("Add", name, offset), *limits)
        name = self.build.cast(name, TensorProto.INT32)  # towards 0, which from 0 on is down
        for values, kind in ((found.raised, "Add"), (found.lowered, "Sub")):
            for column in values.T:
                is_one = self.node("Equal", value.name, self.constant(across(column, value.rank)))
                name = self.node(kind, name, self.build.cast(is_one, TensorProto.INT32))
        return name if count > _BYTE else self.build.cast(name, TensorProto.UINT8)

    def side_thresholds(self, operation: ops.SideThresholds, inputs: list[Written], out: Range) -> Written:
        """Bisection with ``Gather``, in a table whose row is picked by the channel and by the second input's code."""
        value, side = self.to_int32(inputs[0]), self.to_int32(inputs[1])
        table = operation.thresholds.numpy()
        channels, codes, count = table.shape
        first = across(np.arange(channels) * codes - operation.side_low, value.rank)
        rows = self.node("Add", side.name, self.constant(first))
        reached = self._bisect(value.name, rows, table.reshape(channels * codes, count))
        return self._levels(reached, operation.levels.numpy(), out)

    def _bisect(self, value: str, rows: str, table: NDArray[np.int64]) -> str:
        """Return how many of the thresholds of its row every element has reached (int32)."""
        width = 2 ** int(table.shape[1]).bit_length() - 1
        padded = np.full((len(table), width), np.iinfo(np.int32).max)
        padded[:, : table.shape[1]] = table
        flat = self.constant(padded.reshape(-1))
        start = self.node("Mul", rows, self.constant(width))
        position, step = start, (width + 1) // 2
        while step:
            probe = position if step == 1 else self.node("Add", position, self.constant(step - 1))
            reached = self.node("GreaterOrEqual", value, self.node("Gather", flat, probe, axis=0))
            gain = self.build.cast(reached, TensorProto.INT32)
            gain = gain if step == 1 else self.node("Mul", gain, self.constant(step))
            position, step = self.node("Add", position, gain), step // 2
        count = self.node("Sub", position, start)
        return count if width > _BYTE else self.build.cast(count, TensorProto.UINT8)

    def _levels(self, count: str, levels: NDArray[np.int64], out: Range) -> Written:
        """Return the level of every count (uint8, or int32 where there are more levels than a byte has)."""
        if max(0, -out.low) + out.high > _BYTE:
            name = self.build.cast(count, TensorProto.INT32)
            if np.array_equal(levels, levels[0] + np.arange(len(levels))):
                name = self.node("Add", name, self.constant(levels[0]))
            else:
                name = self.node("Gather", self.constant(levels), name, axis=0)
            return self.wide(name, out)
        zero = max(0, -int(levels[0]))
        codes = levels + zero
        if not np.array_equal(codes, np.arange(len(codes))):
            index = self.build.cast(count, TensorProto.INT32)
            count = self.node("Gather", self.build.constant(codes, np.uint8), index, axis=0)
        return self.byte(count, out, zero)

    def max_pool(self, operation: ops.MaxPool, inputs: list[Written], out: Range) -> Written:
        """``MaxPool``, which ONNX has for 8-bit integers and for floating-point numbers."""
        value = self.to_uint8(inputs[0])
        if value.is_byte:
            return super().max_pool(operation, [value], out)
        pooled = self.node("MaxPool", self.build.cast(value.name, TensorProto.FLOAT), **operation.onnx_attributes)
        return self.wide(self.build.cast(pooled, TensorProto.INT32), out)

    def reflect(self, operation: ops.Reflect, inputs: list[Written], out: Range) -> Written:
        """``total - x`` in some channels."""
        value = self.to_int32(inputs[0])
        turned = self.node("Sub", self.constant(operation.total), value.name)
        mask = self.build.constant(across(operation.mask.numpy(), value.rank), np.bool_)
        name = self.node("Where", mask, turned, value.name)
        return self.to_uint8(self.wide(name, out))

    def add(self, operation: ops.Add, inputs: list[Written], out: Range) -> Written:
        """The sum: in uint8 where it fits, else in int32."""
        left, right = inputs
        factors = (operation.left_factor, operation.right_factor)
        zero = left.zero + right.zero
        if (
            self.counter == TensorProto.UINT8
            and left.is_byte
            and right.is_byte
            and factors == (1, 1)
            and left.high + right.high + zero <= _BYTE
        ):
            return self.byte(self.node("Add", left.name, right.name), out, zero)
        return self.to_uint8(super().add(operation, [self.to_int32(value) for value in inputs], out))

    def multiply(self, operation: ops.Multiply, inputs: list[Written], out: Range) -> Written:
        """``Mul``, in int32."""
        return super().multiply(operation, [self.to_int32(value) for value in inputs], out)

    def concat(self, operation: branches.Concat, inputs: list[Written], out: Range) -> Written:
        """``Concat``, in uint8 where all have one zero point."""
        alike = len({each.zero for each in inputs}) == 1 and all(each.is_byte for each in inputs)
        if alike and set(operation.factors) == {1}:
            return self.byte(super().concat(operation, inputs, out).name, out, inputs[0].zero)
        return self.to_uint8(super().concat(operation, [self.to_int32(value) for value in inputs], out))

    def product(self, operation: branches.Product, inputs: list[Written], out: Range) -> Written:
        """``Mul``, in int32."""
        return self.to_uint8(super().product(operation, [self.to_int32(value) for value in inputs], out))

    def clamp(self, operation: ops.Clamp, inputs: list[Written], out: Range) -> Written:
        """``Clip``."""
        value, zero = inputs[0], max(0, -out.low)
        if value.is_byte and self.counter == TensorProto.UINT8:
            limits = [self.build.constant(limit + value.zero, np.uint8) for limit in (operation.low, operation.high)]
            name = self.node("Clip", value.name, *limits)
            shift = value.zero - zero
            return self.byte(self.node("Sub", name, self.build.constant(shift, np.uint8)), out, zero)
        return self.to_uint8(super().clamp(operation, [self.to_int32(value)], out))

    def global_sum(self, operation: ops.GlobalSum, inputs: list[Written], out: Range) -> Written:
        """The sum over all positions, in int32."""
        return super().global_sum(operation, [self.to_int32(inputs[0])], out)

    def _real(self, value: Written) -> str:
        name = self.build.cast(value.name, TensorProto.DOUBLE)
        return self.node("Sub", name, self.build.constant(value.zero, np.float64)) if value.zero else name

    def classifier(self, operation: ops.Classifier, inputs: list[Written], out: Range) -> Written:
        """``Gemm`` in double precision on the scaled codes."""
        real = self.node("Mul", self._real(inputs[0]), self.build.constant(operation.scale, np.float64))
        weight = self.build.cast(self.build.constant(operation.weight.numpy(), np.float32), TensorProto.DOUBLE)
        bias = self.build.cast(self.build.constant(operation.bias.numpy(), np.float32), TensorProto.DOUBLE)
        name = self.node("Gemm", real, weight, bias, transB=1)
        return Written(self.build.cast(name, TensorProto.FLOAT, output=OUTPUT), 0, 0, 2, 0, False)

    def pointwise_classifier(self, operation: tail.PointwiseClassifier, inputs: list[Written], out: Range) -> Written:
        """A product of matrices in double precision on the scaled codes."""
        real = self.node("Mul", self._real(inputs[0]), self.build.constant(operation.scale, np.float64))
        found = self.pointwise_doubles(operation, real)
        return self.wide(self.build.cast(found, TensorProto.FLOAT, output=OUTPUT), out)

    def rescale(self, operation: ops.Rescale, inputs: list[Written], out: Range) -> Written:
        """One factor and offset a channel, in double precision."""
        rank = inputs[0].rank
        scale = self.build.constant(across(operation.scale.numpy(), rank), np.float64)
        offset = self.build.constant(across(operation.offset.numpy(), rank), np.float64)
        name = self.node("Add", self.node("Mul", self._real(inputs[0]), scale), offset)
        return Written(self.build.cast(name, TensorProto.FLOAT, output=OUTPUT), 0, 0, rank, 0, False)


def saturates(value: Written, weight: NDArray[np.integer[Any]], spread: int) -> bool:
    return 2 * (value.high + value.zero) * spread * int(np.abs(weight.astype(np.int64)).max(initial=0)) > _PAIR_LIMIT


def requantisation(operation: ops.IntegerMap, steps: ops.Thresholds, value: Written) -> Requantisation | None:
    largest = max(1, int(operation.weight.abs().max()))
    low, high = ops.accumulator_range(operation.weight, value.low, value.high)
    byte = value.high + value.zero
    portable = _PAIR_LIMIT // max(1, 2 * byte * largest)
    top = min(_INT8 // largest, portable or 1)
    spreads = sorted({*(2**power for power in range(7) if 2**power <= top), top})
    return fit(steps.thresholds.numpy(), steps.levels.numpy(), low.numpy(), high.numpy(), spreads)
