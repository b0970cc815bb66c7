"""The same network in floating point, as an ordinary ONNX graph: what an exported file is compared with.

It has the frozen network's maps as ``float32`` ``Conv`` and ``Gemm`` with a bias (a folded batch norm), a ``Clip`` to
[-1, 1] (hard tanh) for every quantised activation, and its pools, additions and classifier. Its size and its speed are
those of the float network; its weights are the integers, since neither depends on their values.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import nn

from ana_search.export import operations as ops
from ana_search.export.frozen import FrozenNetwork
from ana_search.export.onnx_builder import OnnxBuilder

__all__ = ["float_bytes", "float_onnx"]

_OPSET = 25
_IR_VERSION = 13
_NOTHING = ""  # corrections of the integer network, which a float network does not need


def float_onnx(frozen: FrozenNetwork) -> onnx.ModelProto:
    """Return the float graph: float32 ``images`` [N, C, H, W] → float32 ``logits`` [N, classes]."""
    build = OnnxBuilder()
    build.name("images")
    with torch.no_grad():
        values = frozen.run(torch.zeros(1, *frozen.input_shape, dtype=torch.uint8))
    names = ["images"]
    for number, step in enumerate(frozen.steps, 1):
        inputs = [names[index] for index in step.inputs]
        writer = _WRITERS[type(step.operation)]
        if writer is _clip and not _is_activation(frozen, number):
            writer = _same
        names.append(writer(build, step.operation, inputs, values[number].dim()))
    graph = helper.make_graph(
        _alive(build.nodes, names[-1]),
        "float",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", *frozen.input_shape])],
        [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, ["N", *[None] * (values[-1].dim() - 1)])],
        build.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    return model


def _is_activation(frozen: FrozenNetwork, number: int) -> bool:
    """Return whether value ``number`` holds a layer's codes, before or after they are pooled."""
    if frozen.steps[number - 1].layer:
        return True
    readers = [step for step in frozen.steps if number in step.inputs]
    return any(isinstance(step.operation, ops.MaxPool | ops.Reflect) for step in readers)


def _alive(nodes: list[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """Return the nodes that the output depends on."""
    needed, kept = {output}, []
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    return kept[::-1]


def float_bytes(frozen: FrozenNetwork) -> int:
    """Return the size of the float graph as a file."""
    return len(float_onnx(frozen).SerializeToString())


def _map(build: OnnxBuilder, operation: ops.IntegerMap, inputs: list[str], rank: int) -> str:
    weight = operation.weight.numpy()
    # Named, not shared: a float file stores the weights of every layer.
    factor = build.unshared("weight", weight.astype(np.float32))
    bias = build.unshared("bias", np.zeros(len(weight), np.float32))
    if operation.dimensions == 0:
        return build.node("Gemm", inputs[0], factor, bias, transB=1)
    geometry: dict[str, Any] = {
        "strides": operation.stride,
        "pads": operation.padding * 2,
        "dilations": operation.dilation,
        "group": operation.groups,
    }
    return build.node("Conv", inputs[0], factor, bias, **geometry)


def _clip(build: OnnxBuilder, operation: nn.Module, inputs: list[str], rank: int) -> str:
    value = inputs[0] if len(inputs) == 1 else build.node("Add", *inputs)
    return build.node("Clip", value, build.constant(-1.0, np.float32), build.constant(1.0, np.float32))


def _max_pool(build: OnnxBuilder, operation: ops.MaxPool, inputs: list[str], rank: int) -> str:
    return build.node(
        "MaxPool",
        inputs[0],
        kernel_shape=operation.kernel,
        strides=operation.stride,
        pads=operation.padding * 2,
        dilations=operation.dilation,
        ceil_mode=int(operation.ceil_mode),
    )


def _mean(build: OnnxBuilder, operation: ops.GlobalSum, inputs: list[str], rank: int) -> str:
    pooled = build.node("GlobalAveragePool", inputs[0])
    return pooled if operation.keep else build.node("Flatten", pooled, axis=1)


def _subsample(build: OnnxBuilder, operation: ops.Subsample, inputs: list[str], rank: int) -> str:
    start, end = build.constant([0, 0], np.int64), build.constant([2**31 - 1] * 2, np.int64)
    axes, steps = build.constant([2, 3], np.int64), build.constant([operation.step] * 2, np.int64)
    return build.node("Slice", inputs[0], start, end, axes, steps)


def _pad_channels(build: OnnxBuilder, operation: ops.PadChannels, inputs: list[str], rank: int) -> str:
    rest = [0] * (rank - 2)
    pads = build.constant([0, operation.before, *rest, 0, operation.after, *rest], np.int64)
    return build.node("Pad", inputs[0], pads)


def _classifier(build: OnnxBuilder, operation: ops.Classifier, inputs: list[str], rank: int) -> str:
    weight = build.unshared("weight", operation.weight.numpy())
    return build.node("Gemm", inputs[0], weight, build.unshared("bias", operation.bias.numpy()), transB=1)


def _add(build: OnnxBuilder, operation: ops.Add, inputs: list[str], rank: int) -> str:
    return inputs[0] if _NOTHING in inputs else build.node("Add", *inputs)


def _same(build: OnnxBuilder, operation: nn.Module, inputs: list[str], rank: int) -> str:
    return inputs[0]


_WRITERS: dict[type[nn.Module], Callable[[OnnxBuilder, Any, list[str], int], str]] = {
    ops.InputTable: _same,
    ops.IntegerMap: _map,
    ops.Thresholds: _clip,
    ops.SideThresholds: _clip,
    ops.Clamp: _clip,
    ops.MaxPool: _max_pool,
    ops.Reflect: _same,
    ops.Add: _add,
    ops.Multiply: lambda build, operation, inputs, rank: _NOTHING,
    ops.GlobalSum: _mean,
    ops.Subsample: _subsample,
    ops.PadChannels: _pad_channels,
    ops.Flatten: lambda build, operation, inputs, rank: build.node("Flatten", inputs[0], axis=1),
    ops.Classifier: _classifier,
    ops.Rescale: _same,
}
