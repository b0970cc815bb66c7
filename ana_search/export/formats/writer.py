"""Writing a frozen network as an ONNX graph: one method for every operation, which a format overrides as it needs.

What stands here is right wherever integers travel as numbers of one type without a zero point: as ``float32`` in QONNX,
in files with QuantizeLinear and in the floating-point reference. A method is found by the operation's ``kind``.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper

from ana_search.errors import ExportRequestError
from ana_search.export.formats.builder import OnnxBuilder
from ana_search.export.formats.graph_safety import refuse_foreign
from ana_search.export.formats.layout import LayoutNodes
from ana_search.export.formats.tensors import Range, Written, across
from ana_search.export.integer import FrozenNetwork
from ana_search.export.integer import operations as ops

__all__ = ["INPUT", "LAYERS_KEY", "OUTPUT", "GraphWriter", "Range", "Written", "across"]

INPUT = "pixels"
OUTPUT = "logits"
LAYERS_KEY = "ana_search.layers"


class GraphWriter(LayoutNodes, ABC):
    """Writes one frozen network as an ONNX model."""

    title: ClassVar[str] = "ONNX"
    """What the format is called in messages."""
    opset: ClassVar[int]
    ir_version: ClassVar[int]
    operators: ClassVar[frozenset[str]]
    """What the format's files may hold; those of other domains as ``domain::name``."""
    domains: ClassVar[Mapping[str, int]] = MappingProxyType({})
    """Operator sets beside ONNX's own, with their versions."""
    input_name: ClassVar[str] = INPUT
    input_type: ClassVar[int] = TensorProto.FLOAT
    number: ClassVar[Any] = np.float32
    """The type that integers travel in."""

    def __init__(self, frozen: FrozenNetwork) -> None:
        self.frozen = frozen
        self.build = OnnxBuilder()
        self.node = self.build.node
        self.build.name(self.input_name)
        self.shapes = frozen.shapes()

    def write(self, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
        """Return the model. Its metadata names the tensor and zero point that hold each layer's codes.

        Raises:
            ExportRequestError: an operation that the format has no node for.
        """
        values = [Written(self.input_name, 0, 255, len(self.shapes[0]), is_byte=self.input_type == TensorProto.UINT8)]
        layers = []
        for number, step in enumerate(self.frozen.steps, 1):
            inputs = [values[index] for index in step.inputs]
            values.append(self.step(number, inputs, Range(step.low, step.high, len(self.shapes[number]))))
            if step.layer:
                layers.append({"layer": step.layer, "tensor": values[-1].name, "zero_point": values[-1].zero})
        if values[-1].name != OUTPUT:
            scores, last = self.build.name("scores"), values[-1].name
            self.build.rename(OUTPUT, scores)
            self.build.rename(last, OUTPUT)
            renamed = {OUTPUT: scores, last: OUTPUT}
            values = [replace(each, name=renamed.get(each.name, each.name)) for each in values]
        model = helper.make_model(
            self.graph(values),
            opset_imports=[helper.make_opsetid(each, n) for each, n in {"": self.opset, **self.domains}.items()],
            ir_version=self.ir_version,
            producer_name="ana-search",
        )
        helper.set_model_props(model, {LAYERS_KEY: json.dumps(layers), **(metadata or {})})
        refuse_foreign(model, self.operators)
        return model

    def step(self, number: int, inputs: list[Written], out: Range) -> Written:
        """Write step ``number`` of the network, counted from 1."""
        operation = self.frozen.steps[number - 1].operation
        method = getattr(self, operation.kind, None)
        if method is None:
            raise ExportRequestError(
                f"{self.title} has no node for {type(operation).__name__} (step {number}); export with --format onnx"
            )
        written: Written = method(operation, inputs, out)
        return written

    def graph(self, values: list[Written]) -> onnx.GraphProto:
        """Return the graph; ``values`` are those of the network, from the input to the logits."""
        shape: list[str | int] = ["N", *self.frozen.input_shape]
        return helper.make_graph(
            self.build.nodes,
            "ana_search",
            [helper.make_tensor_value_info(self.input_name, self.input_type, shape)],
            [helper.make_tensor_value_info(values[-1].name, TensorProto.FLOAT, ["N", *self.shapes[-1][1:]])],
            self.build.initializers,
        )

    def like(self, name: str, value: Written, out: Range) -> Written:
        """Return a tensor of the same kind as ``value``."""
        return Written(name, out.low, out.high, out.rank, value.zero, value.is_byte)

    def wide(self, name: str, out: Range) -> Written:
        """Return a tensor in the type that integers travel in."""
        return Written(name, out.low, out.high, out.rank)

    def constant(self, values: Any) -> str:
        """Return the name of a constant in the type that integers travel in."""
        return self.build.constant(values, self.number)

    def max_pool(self, operation: ops.MaxPool, inputs: list[Written], out: Range) -> Written:
        """``MaxPool``."""
        return self.like(self.node("MaxPool", inputs[0].name, **operation.onnx_attributes), inputs[0], out)

    def window_sum(self, operation: ops.WindowSum, inputs: list[Written], out: Range) -> Written:
        """A convolution of each channel with ones."""
        mapped = operation.as_map(max(abs(out.low), abs(out.high)))
        return self.integer_map(mapped, inputs, out)

    @abstractmethod
    def integer_map(self, operation: ops.IntegerMap, inputs: list[Written], out: Range) -> Written:
        """The linear map, in whatever way the format has one."""

    def reflect(self, operation: ops.Reflect, inputs: list[Written], out: Range) -> Written:
        """``total - x`` in some channels."""
        mask = across(operation.mask.numpy(), out.rank)
        turned = self.node("Mul", inputs[0].name, self.constant(np.where(mask, -1, 1)))
        return self.wide(self.node("Add", turned, self.constant(np.where(mask, operation.total, 0))), out)

    def add(self, operation: ops.Add, inputs: list[Written], out: Range) -> Written:
        """``Add``, of terms times their factors."""
        factors = (operation.left_factor, operation.right_factor)
        terms = [
            value.name if factor == 1 else self.node("Mul", value.name, self.constant(factor))
            for value, factor in zip(inputs, factors, strict=True)
        ]
        return self.wide(self.node("Add", *terms), out)

    def multiply(self, operation: ops.Multiply, inputs: list[Written], out: Range) -> Written:
        """``Mul``."""
        return self.wide(self.node("Mul", *(value.name for value in inputs)), out)

    def clamp(self, operation: ops.Clamp, inputs: list[Written], out: Range) -> Written:
        """``Clip``."""
        limits = [self.constant(each) for each in (operation.low, operation.high)]
        return self.wide(self.node("Clip", inputs[0].name, *limits), out)

    def global_sum(self, operation: ops.GlobalSum, inputs: list[Written], out: Range) -> Written:
        """``ReduceSum`` over all positions: the one reduction whose axes are an input from opset 13 on."""
        axes = self.build.constant(range(2, inputs[0].rank), np.int64)
        return self.wide(self.node("ReduceSum", inputs[0].name, axes, keepdims=int(operation.keep)), out)

    def subsample(self, operation: ops.Subsample, inputs: list[Written], out: Range) -> Written:
        """``Slice``: every so many rows and columns."""
        start, end = self.build.constant([0, 0], np.int64), self.build.constant([2**31 - 1] * 2, np.int64)
        axes, steps = self.build.constant([2, 3], np.int64), self.build.constant([operation.step] * 2, np.int64)
        return self.like(self.node("Slice", inputs[0].name, start, end, axes, steps), inputs[0], out)

    def pad_channels(self, operation: ops.PadChannels, inputs: list[Written], out: Range) -> Written:
        """``Pad``: more channels, of zeros."""
        rest = [0] * (inputs[0].rank - 2)
        return self.padded(inputs[0], [0, operation.before, *rest, 0, operation.after, *rest], out)

    def flatten(self, operation: ops.Flatten, inputs: list[Written], out: Range) -> Written:
        """``Flatten``."""
        return self.like(self.node("Flatten", inputs[0].name, axis=1), inputs[0], out)
