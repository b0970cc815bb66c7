"""ONNX files: a frozen network at opset 25, for onnxruntime."""

import json
from collections import Counter

import onnx
import torch
from onnx import TensorProto, helper

from ana_search.export import operations as ops
from ana_search.export.frozen import FrozenNetwork
from ana_search.export.onnx_builder import OnnxBuilder
from ana_search.export.onnx_steps import WRITERS, Range, Written, fused

__all__ = ["INPUT", "LAYERS_KEY", "OPSET", "OUTPUT", "to_onnx"]

OPSET = 25
IR_VERSION = 13
INPUT = "pixels"
OUTPUT = "logits"
LAYERS_KEY = "ana_search.layers"


def to_onnx(frozen: FrozenNetwork) -> onnx.ModelProto:
    """Return ``frozen`` as an ONNX model: uint8 ``pixels`` [N, C, H, W] → float32 ``logits`` [N, classes].

    The model's metadata names, under ``ana_search.layers``, the tensor and zero point that hold the codes of
    every quantised layer.

    Raises:
        ExportRequestError: integers wider than a runtime computes exactly.
    """
    build = OnnxBuilder()
    build.name(INPUT)
    ranks = _ranks(frozen)
    readers = Counter(index for step in frozen.steps for index in step.inputs)
    values = [Written(INPUT, 0, 255, ranks[0])]
    done: dict[int, Written] = {}
    layers = []
    for number, step in enumerate(frozen.steps, 1):
        inputs, out = [values[index] for index in step.inputs], Range(step.low, step.high, ranks[number])
        following = frozen.steps[number] if number < len(frozen.steps) else None
        written = done.get(number)
        if (
            isinstance(step.operation, ops.IntegerMap)
            and following is not None
            and isinstance(following.operation, ops.Thresholds)
            and following.inputs == (number,)
            and readers[number] == 1
        ):
            reach = Range(following.low, following.high, ranks[number + 1])
            both = fused(build, step.operation, following.operation, inputs[0], reach)
            if both is not None:
                written = done[number + 1] = both
        if written is None:
            written = WRITERS[type(step.operation)](build, step.operation, inputs, out)
        values.append(written)
        if step.layer:
            layers.append({"layer": step.layer, "tensor": written.name, "zero_point": written.zero})
    shape = ["N", *frozen.input_shape]
    graph = helper.make_graph(
        build.nodes,
        "ana_search",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", *[None] * (values[-1].rank - 1)])],
        build.initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="ana-search"
    )
    helper.set_model_props(model, {LAYERS_KEY: json.dumps(layers)})
    onnx.checker.check_model(model, full_check=True)
    return model


@torch.no_grad()
def _ranks(frozen: FrozenNetwork) -> list[int]:
    values = frozen._run(torch.zeros(1, *frozen.input_shape, dtype=torch.uint8))
    return [value.dim() for value in values]
