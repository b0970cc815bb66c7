"""How each operation of a frozen network is written in QONNX: Quant and MultiThreshold nodes.

Everything is ``float32`` that holds integers, as QONNX has it: pixels come in as floats 0 ... 255, a first
MultiThreshold turns them into codes, weights pass a Quant (or BipolarQuant) node with scale 1, and every quantised
layer ends in a MultiThreshold with the frozen network's integer thresholds. The batch is 1, as FINN wants it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ana_search.errors import ExportRequestError
from ana_search.export.formats.base import names
from ana_search.export.formats.writer import INPUT, OUTPUT, GraphWriter, Range, Written, across
from ana_search.export.integer import FrozenNetwork, storage_bits, tail
from ana_search.export.integer import operations as ops

__all__ = ["QonnxWriter", "to_qonnx"]

QONNX_DOMAIN = "qonnx.custom_op.general"


def to_qonnx(frozen: FrozenNetwork, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
    """Return ``frozen`` as a QONNX model: float32 ``pixels`` [1, C, H, W] in 0 ... 255 → float32 ``logits``.

    Raises:
        ExportRequestError: an operation that QONNX has no node for.
    """
    return QonnxWriter(frozen).write(metadata)


class QonnxWriter(GraphWriter):
    """Writes for FINN and hls4ml."""

    title = "QONNX"
    opset = 16
    ir_version = 8
    domains: ClassVar[Mapping[str, int]] = MappingProxyType({QONNX_DOMAIN: 1})
    operators = names(
        "Add Clip Concat Conv Flatten Gather LogSoftmax MatMul MaxPool Mul Pad ReduceSum Relu Reshape Sigmoid Slice "
        "Softmax Tanh Transpose "
        f"{QONNX_DOMAIN}::BipolarQuant {QONNX_DOMAIN}::MultiThreshold {QONNX_DOMAIN}::Quant"
    )

    def graph(self, values: list[Written]) -> onnx.GraphProto:
        """Return the graph with all shapes, and with the type that FINN reads of its input."""
        graph = super().graph(values)
        graph.input[0].CopyFrom(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, self.shapes[0]))
        graph.output[0].CopyFrom(helper.make_tensor_value_info(values[-1].name, TensorProto.FLOAT, self.shapes[-1]))
        known = dict(zip([each.name for each in values[1:-1]], self.shapes[1:-1], strict=True))
        graph.value_info.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in known.items())
        kind = onnx.StringStringEntryProto(key="finn_datatype", value="UINT8")
        graph.quantization_annotation.append(
            onnx.TensorAnnotation(tensor_name=INPUT, quant_parameter_tensor_names=[kind])
        )
        return graph

    def _multi_threshold(self, value: Written, cuts: NDArray[Any], low: int, high: int, step: int) -> str:
        table = self.constant(cuts)
        bits = next(b for b in range(2, 17) if -(2 ** (b - 1)) <= low and high < 2 ** (b - 1))
        kind = "BIPOLAR" if (low, high, step) == (-1, 1, 2) else f"INT{bits}"
        settings: dict[str, Any] = {"out_dtype": kind, "out_scale": float(step), "out_bias": float(low)}
        if value.rank == 3:  # qonnx takes three dimensions for channels last unless it is told
            settings["data_layout"] = "NCW"
        return self.node("MultiThreshold", value.name, table, domain=QONNX_DOMAIN, **settings)

    def input_table(self, operation: ops.InputTable, inputs: list[Written], out: Range) -> Written:
        """``MultiThreshold`` on the pixels."""
        table = operation.table.numpy().astype(np.int64)
        if (np.diff(table, axis=1) < 0).any():
            raise ExportRequestError("QONNX needs an input table that does not fall; export with --format onnx")
        low, high = int(table.min()), int(table.max())
        rows = [np.searchsorted(row, np.arange(low + 1, high + 1)) for row in table]
        return self.wide(self._multi_threshold(inputs[0], np.stack(rows), low, high, 1), out)

    def integer_map(self, operation: ops.IntegerMap, inputs: list[Written], out: Range) -> Written:
        """``MatMul`` or ``Conv`` with weights behind ``Quant`` or ``BipolarQuant``."""
        weight = operation.weight.numpy()
        linear = operation.dimensions == 0
        stored, one = self.constant(weight.T if linear else weight), self.constant(1.0)
        if set(np.unique(weight)) <= {-1, 1}:
            factor = self.node("BipolarQuant", stored, one, domain=QONNX_DOMAIN)
        else:
            bits, zero = self.constant(storage_bits(operation.weight)), self.constant(0.0)
            settings: dict[str, Any] = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
            factor = self.node("Quant", stored, one, zero, bits, domain=QONNX_DOMAIN, **settings)
        if linear:
            return self.wide(self.node("MatMul", inputs[0].name, factor), out)
        kernel = weight.shape[2:]
        return self.wide(
            self.node("Conv", inputs[0].name, factor, kernel_shape=kernel, **operation.onnx_attributes), out
        )

    def thresholds(self, operation: ops.Thresholds, inputs: list[Written], out: Range) -> Written:
        """``MultiThreshold``."""
        levels = operation.levels.numpy()
        steps = set(np.diff(levels).tolist())
        if len(steps) != 1:
            raise ExportRequestError(
                f"QONNX needs evenly spaced levels, not {levels.tolist()}; export with --format onnx"
            )
        table = operation.thresholds.numpy()
        low, high = int(levels[0]), int(levels[-1])
        return self.wide(self._multi_threshold(inputs[0], table, low, high, steps.pop()), out)

    def clamp(self, operation: ops.Clamp, inputs: list[Written], out: Range) -> Written:
        """``MultiThreshold`` with a threshold at every integer."""
        cuts = np.arange(operation.low + 1, operation.high + 1)[None]
        return self.wide(self._multi_threshold(inputs[0], cuts, operation.low, operation.high, 1), out)

    def classifier(self, operation: ops.Classifier, inputs: list[Written], out: Range) -> Written:
        """``MatMul`` and ``Add``."""
        weight = self.constant(operation.weight.numpy().T * operation.scale)
        bias = self.constant(operation.bias.numpy())
        return self.wide(self.node("Add", self.node("MatMul", inputs[0].name, weight), bias, output=OUTPUT), out)

    def pointwise_classifier(self, operation: tail.PointwiseClassifier, inputs: list[Written], out: Range) -> Written:
        """``Conv`` and ``Add``."""
        ones = (1,) * len(operation.positions)
        weight = (operation.weight.numpy() * operation.scale).reshape(*operation.weight.shape, *ones)
        found = self.node("Conv", inputs[0].name, self.constant(weight), kernel_shape=ones)
        bias = self.constant(across(operation.bias.numpy(), out.rank))
        return self.wide(self.node("Add", found, bias, output=OUTPUT), out)

    def rescale(self, operation: ops.Rescale, inputs: list[Written], out: Range) -> Written:
        """One factor and offset a channel."""
        scale = self.constant(across(operation.scale.numpy(), out.rank))
        offset = self.constant(across(operation.offset.numpy(), out.rank))
        return self.wide(self.node("Add", self.node("Mul", inputs[0].name, scale), offset, output=OUTPUT), out)
