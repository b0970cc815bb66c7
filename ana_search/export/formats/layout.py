"""The nodes of operations that move integers about, join branches, or come behind the classifier."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from onnx import TensorProto

from ana_search.export.formats.builder import OnnxBuilder
from ana_search.export.formats.tensors import Range, Written
from ana_search.export.integer import branches, tail

__all__ = ["LayoutNodes"]

_END = 2**31 - 1
_FUNCTIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax", "log_softmax": "LogSoftmax"}


class LayoutNodes(ABC):
    """One method an operation, for a writer whose integers travel as numbers of one type or as bytes."""

    build: OnnxBuilder
    node: Callable[..., str]
    number: ClassVar[Any]

    @abstractmethod
    def like(self, name: str, value: Written, out: Range) -> Written:
        """Return a tensor of the same kind as ``value``."""

    @abstractmethod
    def wide(self, name: str, out: Range) -> Written:
        """Return a tensor in the type that integers travel in."""

    @abstractmethod
    def constant(self, values: Any) -> str:
        """Return the name of a constant in the type that integers travel in."""

    def _integers(self, values: Any) -> str:
        return self.build.constant(values, np.int64)

    def concat(self, operation: branches.Concat, inputs: list[Written], out: Range) -> Written:
        """``Concat``, of values times their factors."""
        pairs = zip(inputs, operation.factors, strict=True)
        terms = [v.name if f == 1 else self.node("Mul", v.name, self.constant(f)) for v, f in pairs]
        return self.wide(self.node("Concat", *terms, axis=1), out)

    def channels(self, operation: branches.Channels, inputs: list[Written], out: Range) -> Written:
        """``Slice``."""
        ends = [self._integers([each]) for each in (operation.start, operation.stop)]
        return self.like(self.node("Slice", inputs[0].name, *ends, self._integers([1])), inputs[0], out)

    def product(self, operation: branches.Product, inputs: list[Written], out: Range) -> Written:
        """``Mul``."""
        return self.wide(self.node("Mul", *(value.name for value in inputs)), out)

    def pad_sides(self, operation: branches.PadSides, inputs: list[Written], out: Range) -> Written:
        """``Pad``."""
        return self.padded(inputs[0], [0, 0, *operation.before, 0, 0, *operation.after], out)

    def padded(self, value: Written, widths: list[int], out: Range) -> Written:
        """Return the value with zeros around it."""
        fill = [self.build.constant(value.zero, np.uint8 if value.is_byte else self.number)]
        has_fill = value.is_byte or self.number != np.float32
        name = self.node("Pad", value.name, self._integers(widths), *(fill if has_fill else []))
        return self.like(name, value, out)

    def reshape(self, operation: branches.Reshape, inputs: list[Written], out: Range) -> Written:
        """``Reshape``; 0 stands for the number of images."""
        name = self.node("Reshape", inputs[0].name, self._integers([0, *operation.shape]))
        return self.like(name, inputs[0], out)

    def permute(self, operation: branches.Permute, inputs: list[Written], out: Range) -> Written:
        """``Transpose``."""
        return self.like(self.node("Transpose", inputs[0].name, perm=operation.order), inputs[0], out)

    def take(self, operation: branches.Take, inputs: list[Written], out: Range) -> Written:
        """``Gather``, one for each dimension."""
        name = inputs[0].name
        for axis, positions in enumerate(operation.positions, 2):
            name = self.node("Gather", name, self._integers(positions), axis=axis)
        return self.like(name, inputs[0], out)

    # Behind the classifier.

    def real_function(self, operation: tail.RealFunction, inputs: list[Written], out: Range) -> Written:
        """The function's own node."""
        settings = {"axis": 1} if operation.function in ("softmax", "log_softmax") else {}
        return self.wide(self.node(_FUNCTIONS[operation.function], inputs[0].name, **settings), out)

    def real_mean(self, operation: tail.RealMean, inputs: list[Written], out: Range) -> Written:
        """``ReduceSum`` and a factor."""
        axes = self._integers(range(2, inputs[0].rank))
        total = self.node("ReduceSum", inputs[0].name, axes, keepdims=int(operation.keep))
        share = self.build.constant(1.0 / operation.positions, np.float32)
        return self.wide(self.node("Mul", total, share), out)

    def pointwise_doubles(self, operation: tail.PointwiseClassifier, value: str) -> str:
        """Return the classifier at every position, as a product of matrices in double precision."""
        flat = self.node("Reshape", value, self._integers([0, 0, -1]))
        factor, bias = (
            self.build.cast(self.build.constant(each, np.float32), TensorProto.DOUBLE)
            for each in (operation.weight.numpy(), operation.bias.numpy()[:, None])
        )
        found = self.node("Add", self.node("MatMul", factor, flat), bias)
        return self.node("Reshape", found, self._integers([0, 0, *operation.positions]))
