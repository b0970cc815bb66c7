"""ONNX files for onnxruntime: how they are written and opened."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from torch import Tensor

from ana_search.errors import ExportRequestError
from ana_search.export.formats.base import FileFormat, Files, Runner
from ana_search.export.formats.graph_safety import refuse_foreign
from ana_search.export.formats.onnx.writer import OnnxWriter, to_onnx
from ana_search.export.formats.writer import INPUT, LAYERS_KEY, OUTPUT
from ana_search.export.integer import FrozenNetwork

__all__ = ["OnnxFormat", "OnnxRunner", "open_session"]


def open_session(model: bytes, *, optimise: bool = True, threads: int = 1) -> onnxruntime.InferenceSession:
    """Return an onnxruntime session on the CPU, with graph optimisations on or off."""
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class OnnxRunner(Runner):
    """An ONNX file in onnxruntime."""

    def __init__(self, model: onnx.ModelProto, *, optimise: bool = True) -> None:
        self._optimise = optimise
        self._session = open_session(model.SerializeToString(), optimise=optimise)
        self._model = model
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


class OnnxFormat(FileFormat):
    """ONNX for onnxruntime: uint8 images in, logits out."""

    suffix = ".onnx"
    versions = ("onnx", "onnxruntime")
    needs = "onnxruntime 1.24 or newer; for an older one, or another runtime, export with --format qdq"
    write = staticmethod(to_onnx)
    operators = OnnxWriter.operators

    def files(
        self, frozen: FrozenNetwork, metadata: Mapping[str, str], *, stem: str = "network", pixels: Tensor | None = None
    ) -> Files:
        """Return the one file."""
        return Files({self.suffix: type(self).write(frozen, metadata).SerializeToString(deterministic=True)})

    def open(self, data: bytes) -> OnnxRunner:
        """Open the file in onnxruntime."""
        try:
            model = onnx.load_model_from_string(data)
            refuse_foreign(model, self.operators)
            return OnnxRunner(model)
        except ExportRequestError:
            raise
        except Exception as error:  # onnxruntime and protobuf raise classes of their own
            here = f"here is {onnxruntime.__version__}, and it needs {self.needs}"
            raise ExportRequestError(f"onnxruntime cannot load it ({str(error)[:200]}); {here}") from error
