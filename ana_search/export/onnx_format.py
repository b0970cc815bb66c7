"""ONNX files: a frozen network at opset 25, for onnxruntime."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ana_search.errors import ExportRequestError
from ana_search.export import operations as ops
from ana_search.export.frozen import FrozenNetwork
from ana_search.export.onnx_builder import OnnxBuilder
from ana_search.export.onnx_steps import WRITERS, Range, Written, fused

__all__ = ["OnnxFormat", "open_session", "to_onnx"]

OPSET = 25
IR_VERSION = 13
INPUT = "pixels"
OUTPUT = "logits"
LAYERS_KEY = "ana_search.layers"


def to_onnx(frozen: FrozenNetwork, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
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
    shape: list[str | int] = ["N", *frozen.input_shape]
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
    helper.set_model_props(model, {LAYERS_KEY: json.dumps(layers), **(metadata or {})})
    onnx.checker.check_model(model, full_check=True)
    return model


@torch.no_grad()
def _ranks(frozen: FrozenNetwork) -> list[int]:
    values = frozen.run(torch.zeros(1, *frozen.input_shape, dtype=torch.uint8))
    return [value.dim() for value in values]


def open_session(model: bytes, *, optimise: bool = True, threads: int = 1) -> onnxruntime.InferenceSession:
    """Return an onnxruntime session on the CPU, with graph optimisations on or off."""
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class OnnxRunner:
    """An ONNX file in onnxruntime."""

    batch = 64

    def __init__(self, path: Path, *, optimise: bool = True) -> None:
        data = path.read_bytes()
        self._optimise = optimise
        self._session = open_session(data, optimise=optimise)
        self._model = onnx.load_model_from_string(data)
        self._tapped: onnxruntime.InferenceSession | None = None
        self.metadata = {each.key: each.value for each in self._model.metadata_props}
        self._layers: list[dict[str, Any]] = json.loads(self.metadata.get(LAYERS_KEY, "[]"))

    def logits(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Return the logits [N, classes]."""
        logits: NDArray[np.float32] = self._session.run([OUTPUT], {INPUT: inputs})[0]
        return logits

    def codes(self, inputs: NDArray[Any]) -> dict[str, NDArray[np.int64]]:
        """Return the codes of every quantised layer, from the same graph with more outputs."""
        if self._tapped is None:
            tapped = onnx.ModelProto()
            tapped.CopyFrom(self._model)
            tapped.graph.output.extend(onnx.ValueInfoProto(name=each["tensor"]) for each in self._layers)
            self._tapped = open_session(tapped.SerializeToString(), optimise=self._optimise)
        found = self._tapped.run([each["tensor"] for each in self._layers], {INPUT: inputs})
        pairs = zip(self._layers, found, strict=True)
        return {each["layer"]: value.astype(np.int64) - each["zero_point"] for each, value in pairs}


class OnnxFormat:
    """ONNX for onnxruntime: uint8 images in, logits out."""

    suffix = ".onnx"
    versions: tuple[str, ...] = ("onnx", "onnxruntime")

    def inputs(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the images as they are."""
        return pixels

    def write(self, frozen: FrozenNetwork, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the file."""
        path.write_bytes(to_onnx(frozen, metadata).SerializeToString(deterministic=True))

    def open(self, path: Path) -> OnnxRunner:
        """Open the file in onnxruntime."""
        try:
            return OnnxRunner(path)
        except Exception as error:  # onnxruntime and protobuf raise classes of their own
            raise ExportRequestError(f"{path}: onnxruntime cannot load it ({str(error)[:200]})") from error
