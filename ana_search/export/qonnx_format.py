"""QONNX files: Quant and MultiThreshold nodes, for FINN and hls4ml.

Everything is ``float32`` that holds integers, as QONNX has it: pixels come in as floats 0 ... 255, a first
MultiThreshold turns them into codes, weights pass a Quant (or BipolarQuant) node with scale 1, and every quantised
layer ends in a MultiThreshold with the frozen network's integer thresholds. The batch is 1, as FINN wants it.
"""

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from ana_search.errors import ExportRequestError
from ana_search.export import operations as ops
from ana_search.export.frozen import FrozenNetwork, storage_bits
from ana_search.export.onnx_builder import OnnxBuilder
from ana_search.export.onnx_format import INPUT, LAYERS_KEY, OUTPUT

__all__ = ["QonnxFormat", "to_qonnx"]

_DOMAIN = "qonnx.custom_op.general"
_OPSET = 16
_IR_VERSION = 8


def to_qonnx(frozen: FrozenNetwork, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
    """Return ``frozen`` as a QONNX model: float32 ``pixels`` [1, C, H, W] in 0 ... 255 → float32 ``logits``.

    Raises:
        ExportRequestError: an operation that QONNX has no node for.
    """
    build = OnnxBuilder()
    build.name(INPUT)
    names, layers = [INPUT], []
    with torch.no_grad():
        shapes = [tuple(v.shape) for v in frozen.run(torch.zeros(1, *frozen.input_shape, dtype=torch.uint8))]
    for number, step in enumerate(frozen.steps, 1):
        writer = _WRITERS.get(type(step.operation))
        if writer is None:
            raise ExportRequestError(
                f"QONNX has no node for {type(step.operation).__name__} (step {number}); export with --format onnx"
            )
        last = number == len(frozen.steps)
        output = OUTPUT if last else f"value_{number}"
        inputs = [names[index] for index in step.inputs]
        names.append(writer(build, step.operation, inputs, output, len(shapes[number])))
        if step.layer:
            layers.append({"layer": step.layer, "tensor": names[-1], "zero_point": 0})
    graph = helper.make_graph(
        build.nodes,
        "ana_search",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shapes[0])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shapes[-1])],
        build.initializers,
        value_info=[
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in zip(names[1:-1], shapes[1:-1], strict=True)
        ],
    )
    graph.quantization_annotation.append(
        onnx.TensorAnnotation(
            tensor_name=INPUT,
            quant_parameter_tensor_names=[onnx.StringStringEntryProto(key="finn_datatype", value="UINT8")],
        )
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_DOMAIN, 1)],
        ir_version=_IR_VERSION,
        producer_name="ana-search",
    )
    helper.set_model_props(model, {LAYERS_KEY: json.dumps(layers), **(metadata or {})})
    return model


def _multi_threshold(
    build: OnnxBuilder, value: str, thresholds: NDArray[Any], low: int, high: int, step: int, output: str
) -> str:
    table = build.constant(thresholds, np.float32)
    bits = next(b for b in range(2, 17) if -(2 ** (b - 1)) <= low and high < 2 ** (b - 1))
    kind = "BIPOLAR" if (low, high, step) == (-1, 1, 2) else f"INT{bits}"
    settings = {"out_dtype": kind, "out_scale": float(step), "out_bias": float(low)}
    return build.node("MultiThreshold", value, table, output=output, domain=_DOMAIN, **settings)


def _input_table(build: OnnxBuilder, operation: ops.InputTable, inputs: list[str], output: str, rank: int) -> str:
    table = operation.table.numpy().astype(np.int64)
    if (np.diff(table, axis=1) < 0).any():
        raise ExportRequestError("QONNX needs an input table that does not fall; export with --format onnx")
    low, high = int(table.min()), int(table.max())
    rows = [np.searchsorted(row, np.arange(low + 1, high + 1)) for row in table]
    return _multi_threshold(build, inputs[0], np.stack(rows), low, high, 1, output)


def _map(build: OnnxBuilder, operation: ops.IntegerMap, inputs: list[str], output: str, rank: int) -> str:
    weight = operation.weight.numpy()
    linear = operation.dimensions == 0
    stored = build.constant(weight.T if linear else weight, np.float32)
    one = build.constant(1.0, np.float32)
    if set(np.unique(weight)) <= {-1, 1}:
        factor = build.node("BipolarQuant", stored, one, domain=_DOMAIN)
    else:
        bits = build.constant(storage_bits(operation.weight), np.float32)
        zero = build.constant(0.0, np.float32)
        settings: dict[str, Any] = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
        factor = build.node("Quant", stored, one, zero, bits, domain=_DOMAIN, **settings)
    if linear:
        return build.node("MatMul", inputs[0], factor, output=output)
    return build.node(
        "Conv",
        *(inputs[0], factor),
        output=output,
        kernel_shape=weight.shape[2:],
        strides=operation.stride,
        pads=operation.padding * 2,
        dilations=operation.dilation,
        group=operation.groups,
    )


def _thresholds(build: OnnxBuilder, operation: ops.Thresholds, inputs: list[str], output: str, rank: int) -> str:
    levels = operation.levels.numpy()
    steps = set(np.diff(levels).tolist())
    if len(steps) != 1:
        raise ExportRequestError(f"QONNX needs evenly spaced levels, not {levels.tolist()}; export with --format onnx")
    table = operation.thresholds.numpy()
    return _multi_threshold(build, inputs[0], table, int(levels[0]), int(levels[-1]), steps.pop(), output)


def _max_pool(build: OnnxBuilder, operation: ops.MaxPool, inputs: list[str], output: str, rank: int) -> str:
    return build.node(
        "MaxPool",
        inputs[0],
        output=output,
        kernel_shape=operation.kernel,
        strides=operation.stride,
        pads=operation.padding * 2,
        dilations=operation.dilation,
        ceil_mode=int(operation.ceil_mode),
    )


def _reflect(build: OnnxBuilder, operation: ops.Reflect, inputs: list[str], output: str, rank: int) -> str:
    mask = ops.over_channels(operation.mask, rank).numpy()
    turned = build.node("Mul", inputs[0], build.constant(np.where(mask, -1.0, 1.0), np.float32))
    offset = build.constant(np.where(mask, float(operation.total), 0.0), np.float32)
    return build.node("Add", turned, offset, output=output)


def _clamp(build: OnnxBuilder, operation: ops.Clamp, inputs: list[str], output: str, rank: int) -> str:
    cuts = np.arange(operation.low + 1, operation.high + 1)[None]
    return _multi_threshold(build, inputs[0], cuts, operation.low, operation.high, 1, output)


def _add(build: OnnxBuilder, operation: ops.Add, inputs: list[str], output: str, rank: int) -> str:
    factors = (operation.left_factor, operation.right_factor)
    terms = [
        name if factor == 1 else build.node("Mul", name, build.constant(float(factor), np.float32))
        for name, factor in zip(inputs, factors, strict=True)
    ]
    return build.node("Add", *terms, output=output)


def _global_sum(build: OnnxBuilder, operation: ops.GlobalSum, inputs: list[str], output: str, rank: int) -> str:
    # ReduceSum is the one reduction whose axes are an input at this opset; QONNX infers its shape by onnx.
    axes = build.constant([2, 3], np.int64)
    return build.node("ReduceSum", inputs[0], axes, output=output, keepdims=int(operation.keep))


def _flatten(build: OnnxBuilder, operation: ops.Flatten, inputs: list[str], output: str, rank: int) -> str:
    return build.node("Flatten", inputs[0], output=output, axis=1)


def _subsample(build: OnnxBuilder, operation: ops.Subsample, inputs: list[str], output: str, rank: int) -> str:
    start, end = build.constant([0, 0], np.int64), build.constant([2**31 - 1] * 2, np.int64)
    axes, steps = build.constant([2, 3], np.int64), build.constant([operation.step] * 2, np.int64)
    return build.node("Slice", inputs[0], start, end, axes, steps, output=output)


def _pad_channels(build: OnnxBuilder, operation: ops.PadChannels, inputs: list[str], output: str, rank: int) -> str:
    rest = [0] * (rank - 2)
    pads = build.constant([0, operation.before, *rest, 0, operation.after, *rest], np.int64)
    return build.node("Pad", inputs[0], pads, output=output)


def _classifier(build: OnnxBuilder, operation: ops.Classifier, inputs: list[str], output: str, rank: int) -> str:
    weight = build.constant(operation.weight.numpy().T * operation.scale, np.float32)
    bias = build.constant(operation.bias.numpy(), np.float32)
    return build.node("Add", build.node("MatMul", inputs[0], weight), bias, output=output)


def _rescale(build: OnnxBuilder, operation: ops.Rescale, inputs: list[str], output: str, rank: int) -> str:
    scale = build.constant(ops.over_channels(operation.scale, rank).numpy(), np.float32)
    offset = build.constant(ops.over_channels(operation.offset, rank).numpy(), np.float32)
    return build.node("Add", build.node("Mul", inputs[0], scale), offset, output=output)


_WRITERS: dict[type[nn.Module], Callable[[OnnxBuilder, Any, list[str], str, int], str]] = {
    ops.InputTable: _input_table,
    ops.IntegerMap: _map,
    ops.Thresholds: _thresholds,
    ops.MaxPool: _max_pool,
    ops.Reflect: _reflect,
    ops.Add: _add,
    ops.Clamp: _clamp,
    ops.Multiply: lambda build, operation, inputs, output, rank: build.node("Mul", *inputs, output=output),
    ops.GlobalSum: _global_sum,
    ops.Flatten: _flatten,
    ops.Subsample: _subsample,
    ops.PadChannels: _pad_channels,
    ops.Classifier: _classifier,
    ops.Rescale: _rescale,
}


class QonnxRunner:
    """A QONNX file, run node by node by the ``qonnx`` package."""

    batch = 16

    def __init__(self, path: Path) -> None:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.transformation.infer_shapes import InferShapes

        self._wrapper: Callable[[onnx.ModelProto], Any] = lambda model: ModelWrapper(model).transform(InferShapes())
        self._model = onnx.load(path)
        self.metadata = {each.key: each.value for each in self._model.metadata_props}
        self._layers: list[dict[str, Any]] = json.loads(self.metadata.get(LAYERS_KEY, "[]"))
        self._by_batch: dict[int, Any] = {}
        self._sized(1)

    def _sized(self, batch: int) -> Any:
        """Return the model with another batch size, its shapes inferred again by ``qonnx``."""
        if batch not in self._by_batch:
            model = onnx.ModelProto()
            model.CopyFrom(self._model)
            del model.graph.value_info[:]
            for value in (*model.graph.input, *model.graph.output):
                value.type.tensor_type.shape.dim[0].dim_value = batch
            self._by_batch[batch] = self._wrapper(model)
        return self._by_batch[batch]

    def _run(self, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        from qonnx.core.onnx_exec import execute_onnx

        context: dict[str, NDArray[Any]] = execute_onnx(
            self._sized(len(inputs)), {INPUT: inputs}, return_full_exec_context=True
        )
        return context

    def logits(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Return the logits [N, classes]."""
        return self._run(inputs)[OUTPUT]

    def codes(self, inputs: NDArray[Any]) -> dict[str, NDArray[np.int64]]:
        """Return the codes of every quantised layer."""
        values = self._run(inputs)
        return {each["layer"]: np.rint(values[each["tensor"]]).astype(np.int64) for each in self._layers}


class QonnxFormat:
    """QONNX for FINN and hls4ml: images as float32 0 ... 255 in, logits out, one image at a time."""

    suffix = ".qonnx.onnx"
    versions: tuple[str, ...] = ("onnx", "qonnx")

    def inputs(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the images as float32."""
        return pixels.astype(np.float32)

    def write(self, frozen: FrozenNetwork, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the file."""
        path.write_bytes(to_qonnx(frozen, metadata).SerializeToString(deterministic=True))

    def open(self, path: Path) -> QonnxRunner:
        """Open the file in ``qonnx``."""
        if find_spec("qonnx") is None:
            raise ExportRequestError(
                "QONNX files are checked with the package qonnx, which is not installed: "
                "pip install 'ana-search[qonnx]', or export with --no-verify"
            )
        try:
            return QonnxRunner(path)
        except Exception as error:  # qonnx raises classes of its own
            raise ExportRequestError(f"{path}: qonnx cannot load it ({str(error)[:200]})") from error
