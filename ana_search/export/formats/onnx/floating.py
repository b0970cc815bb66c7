"""The same network in floating point, as an ordinary ONNX graph: what an exported file is compared with.

It has the frozen network's maps as ``float32`` ``Conv`` and ``Gemm`` with a bias (a folded batch norm), a ``Clip`` to
[-1, 1] (hard tanh) for every quantised activation, and its pools, additions and classifier. Its size and its speed are
those of the float network; its weights are the integers, since neither depends on their values.
"""

from typing import Any

import numpy as np
import onnx

from ana_search.export.formats.base import names
from ana_search.export.formats.writer import GraphWriter, Range, Written
from ana_search.export.integer import FrozenNetwork, branches, tail
from ana_search.export.integer import operations as ops

__all__ = ["float_bytes", "float_onnx"]

_NOTHING = ""  # corrections of the integer network, which a float network does not need


def float_onnx(frozen: FrozenNetwork) -> onnx.ModelProto:
    """Return the float graph: float32 ``images`` [N, C, H, W] → float32 ``logits`` [N, classes]."""
    model = _FloatWriter(frozen).write()
    onnx.checker.check_model(model)
    return model


def float_bytes(frozen: FrozenNetwork) -> int:
    """Return the size of the float graph as a file."""
    return len(float_onnx(frozen).SerializeToString())


class _FloatWriter(GraphWriter):
    opset = 25
    ir_version = 13
    input_name = "images"
    operators = names(
        "Add AveragePool Clip Concat Conv Flatten Gather Gemm GlobalAveragePool LogSoftmax MaxPool Mul Pad ReduceSum "
        "Relu Reshape Sigmoid Slice Softmax Tanh Transpose"
    )

    def graph(self, values: list[Written]) -> onnx.GraphProto:
        """Return the graph without the nodes that nothing depends on."""
        needed, kept = {values[-1].name}, []
        for node in reversed(self.build.nodes):
            if needed & set(node.output):
                kept.append(node)
                needed |= set(node.input)
        self.build.nodes[:] = kept[::-1]
        return super().graph(values)

    def step(self, number: int, inputs: list[Written], out: Range) -> Written:
        """Write a step; integers that are cut on the way to a layer's codes have no counterpart."""
        steps = self.frozen.steps
        if isinstance(steps[number - 1].operation, ops.Thresholds | ops.SideThresholds | ops.Clamp):
            readers = [step for step in steps if number in step.inputs]
            pooled = any(isinstance(step.operation, ops.MaxPool | ops.Reflect) for step in readers)
            if not steps[number - 1].layer and not pooled:
                return inputs[0]
        return super().step(number, inputs, out)

    def same(self, operation: ops.Operation, inputs: list[Written], out: Range) -> Written:
        """What a float network does not do."""
        return inputs[0]

    input_table = reflect = rescale = same

    def integer_map(self, operation: ops.IntegerMap, inputs: list[Written], out: Range) -> Written:
        """``Conv`` or ``Gemm``. The weights are named, not shared: a float file stores those of every layer."""
        weight = operation.weight.numpy()
        factor = self.build.unshared("weight", weight.astype(np.float32))
        bias = self.build.unshared("bias", np.zeros(len(weight), np.float32))
        settings = operation.onnx_attributes or {"transB": 1}
        kind = "Conv" if operation.dimensions else "Gemm"
        return self.wide(self.node(kind, inputs[0].name, factor, bias, **settings), out)

    def window_sum(self, operation: ops.WindowSum, inputs: list[Written], out: Range) -> Written:
        """``AveragePool``."""
        settings: dict[str, Any] = {
            "kernel_shape": operation.kernel,
            "strides": operation.stride,
            "pads": operation.padding * 2,
        }
        return self.wide(self.node("AveragePool", inputs[0].name, count_include_pad=1, **settings), out)

    def clip(self, operation: ops.Operation, inputs: list[Written], out: Range) -> Written:
        """The activation function, and the sum before it where there is one."""
        name = inputs[0].name if len(inputs) == 1 else self.node("Add", *(each.name for each in inputs))
        return self.wide(self.node("Clip", name, self.constant(-1.0), self.constant(1.0)), out)

    thresholds = side_thresholds = clamp = clip

    def add(self, operation: ops.Add, inputs: list[Written], out: Range) -> Written:
        """``Add``, unless one term is a correction."""
        names = [each.name for each in inputs]
        return inputs[0] if _NOTHING in names else self.wide(self.node("Add", *names), out)

    def multiply(self, operation: ops.Multiply, inputs: list[Written], out: Range) -> Written:
        """Only corrections multiply."""
        return self.wide(_NOTHING, out)

    def concat(self, operation: branches.Concat, inputs: list[Written], out: Range) -> Written:
        """``Concat``."""
        return self.wide(self.node("Concat", *(each.name for each in inputs), axis=1), out)

    def pointwise_classifier(self, operation: tail.PointwiseClassifier, inputs: list[Written], out: Range) -> Written:
        """``Conv``."""
        ones = (1,) * len(operation.positions)
        weight = self.build.unshared("weight", operation.weight.numpy().reshape(*operation.weight.shape, *ones))
        bias = self.build.unshared("bias", operation.bias.numpy())
        return self.wide(self.node("Conv", inputs[0].name, weight, bias), out)

    def global_sum(self, operation: ops.GlobalSum, inputs: list[Written], out: Range) -> Written:
        """``GlobalAveragePool``."""
        pooled = self.node("GlobalAveragePool", inputs[0].name)
        return self.wide(pooled if operation.keep else self.node("Flatten", pooled, axis=1), out)

    def classifier(self, operation: ops.Classifier, inputs: list[Written], out: Range) -> Written:
        """``Gemm``."""
        weight = self.build.unshared("weight", operation.weight.numpy())
        bias = self.build.unshared("bias", operation.bias.numpy())
        return self.wide(self.node("Gemm", inputs[0].name, weight, bias, transB=1), out)
