"""How each operation of a frozen network is written with QuantizeLinear and DequantizeLinear.

A layer is ``DequantizeLinear -> Conv or Gemm -> QuantizeLinear -> Clip``, which runtimes with integer kernels turn into
one of them, and others compute in ``float32`` as it stands. Weights are int8 (uint8 with zero point 128 where a
processor would saturate) with one scale a channel; the classifier is ``float32``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from ana_search.errors import ExportRequestError
from ana_search.export.formats.base import names
from ana_search.export.formats.onnx.writer import OnnxWriter, saturates
from ana_search.export.formats.requantise import Requantisation
from ana_search.export.formats.writer import OUTPUT, Range, Written, across
from ana_search.export.integer import FrozenNetwork, tail
from ana_search.export.integer import operations as ops

__all__ = ["QdqWriter", "to_qdq"]


def to_qdq(frozen: FrozenNetwork, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
    """Return ``frozen`` as an ONNX model: uint8 ``pixels`` [N, C, H, W] → float32 ``logits`` [N, classes].

    Raises:
        ExportRequestError: integers wider than ``float32`` holds exactly.
    """
    model = QdqWriter(frozen).write(metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


class QdqWriter(OnnxWriter):
    """Writes for runtimes that know opset 13."""

    title = "ONNX with QuantizeLinear"
    opset = 13
    ir_version = 7
    counter = TensorProto.INT32
    has_doubles = False  # OpenVINO computes them in single precision, where a line is not exact.
    operators = names(
        "Add Cast Clip Concat Conv DequantizeLinear Equal Flatten Gather Gemm GreaterOrEqual LogSoftmax MaxPool Mul "
        "Pad QuantizeLinear ReduceSum Relu Reshape Sigmoid Slice Softmax Sub Tanh Transpose Where"
    )

    def requantised(self, operation: ops.IntegerMap, found: Requantisation, value: Written, out: Range) -> Written:
        """Write a map whose codes are its sums, times a factor and rounded, as one quantised layer."""
        weight = operation.weight.numpy().astype(np.int64) * found.spread
        scale = self.build.constant(found.multiplier, np.float32)
        bias = self.node("DequantizeLinear", self.build.constant(found.bias, np.int32), scale, axis=0)
        name = self._map(operation, self._real_of(value), self._weight_of(weight, scale, value), bias)
        zero = max(0, -out.low)
        one, offset = self.build.constant(1.0, np.float32), self.build.constant(zero, np.uint8)
        return self.byte(self.limited(self.node("QuantizeLinear", name, one, offset), out, zero), out, zero)

    def integer_map(self, operation: ops.IntegerMap, inputs: list[Written], out: Range) -> Written:
        """``Conv`` or ``Gemm`` on integers in ``float32``, which holds them exactly."""
        if operation.limit > ops.EXACT_FLOAT32:
            raise ExportRequestError(
                f"a map of {tuple(operation.weight.shape)} weights may reach {operation.limit}; "
                f"allowed in this format is {ops.EXACT_FLOAT32}"
            )
        value = self.to_uint8(inputs[0])
        weight = operation.weight.numpy().astype(np.int64)
        ones = self.build.constant(np.ones(len(weight)), np.float32)
        name = self._map(operation, self._real_of(value), self._weight_of(weight, ones, value))
        return self.wide(self.build.cast(name, TensorProto.INT32), out)

    def max_pool(self, operation: ops.MaxPool, inputs: list[Written], out: Range) -> Written:
        """``MaxPool``; before opset 22, whether a window may begin in the padding was read in two ways."""
        if operation.ceil_mode and any(operation.padding):
            raise ExportRequestError(
                "max-pooling with ceil_mode=True and padding has other windows in older runtimes; "
                "export with --format onnx, or pool with ceil_mode=False"
            )
        return super().max_pool(operation, inputs, out)

    def _map(self, operation: ops.IntegerMap, *inputs: str) -> str:
        if operation.dimensions:
            return self.node("Conv", *inputs, **operation.onnx_attributes)
        return self.node("Gemm", *inputs, transB=1)

    def _weight_of(self, weight: NDArray[np.int64], scale: str, value: Written) -> str:
        """Return the dequantised weights."""
        offset, kind = (128, np.uint8) if saturates(value, weight, 1) else (0, np.int8)
        stored = self.build.unshared("weight", (weight + offset).astype(kind))
        zero = self.build.constant(np.full(len(weight), offset), kind)
        return self.node("DequantizeLinear", stored, scale, zero, axis=0)

    def _real_of(self, value: Written) -> str:
        """Return the integers in ``float32``."""
        if not value.is_byte:
            return self.build.cast(value.name, TensorProto.FLOAT)
        one, zero = self.build.constant(1.0, np.float32), self.build.constant(value.zero, np.uint8)
        return self.node("DequantizeLinear", value.name, one, zero)

    def classifier(self, operation: ops.Classifier, inputs: list[Written], out: Range) -> Written:
        """``Gemm`` in ``float32``; the codes' scale is in the weights."""
        weight: NDArray[Any] = operation.weight.numpy() * operation.scale
        factor, bias = (self.build.constant(each, np.float32) for each in (weight, operation.bias.numpy()))
        return self.wide(self.node("Gemm", self._real_of(inputs[0]), factor, bias, transB=1, output=OUTPUT), out)

    def pointwise_classifier(self, operation: tail.PointwiseClassifier, inputs: list[Written], out: Range) -> Written:
        """``Conv`` in ``float32``; the codes' scale is in the weights."""
        ones = (1,) * len(operation.positions)
        weight = (operation.weight.numpy() * operation.scale).reshape(*operation.weight.shape, *ones)
        factor, bias = (self.build.constant(each, np.float32) for each in (weight, operation.bias.numpy()))
        return self.wide(self.node("Conv", self._real_of(inputs[0]), factor, bias, output=OUTPUT), out)

    def rescale(self, operation: ops.Rescale, inputs: list[Written], out: Range) -> Written:
        """One factor and offset a channel, in ``float32``."""
        scale, offset = (
            self.build.constant(across(each.numpy(), out.rank), np.float32)
            for each in (operation.scale, operation.offset)
        )
        scaled = self.node("Mul", self._real_of(inputs[0]), scale)
        return self.wide(self.node("Add", scaled, offset, output=OUTPUT), out)
