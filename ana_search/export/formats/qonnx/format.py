"""QONNX files: how they are written and opened."""

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import Tensor

from ana_search.errors import ExportRequestError
from ana_search.export.formats.base import FileFormat, Files, Runner
from ana_search.export.formats.graph_safety import refuse_foreign
from ana_search.export.formats.qonnx.writer import QonnxWriter, to_qonnx
from ana_search.export.formats.writer import INPUT, LAYERS_KEY, OUTPUT
from ana_search.export.integer import FrozenNetwork

__all__ = ["QonnxFormat"]


class QonnxRunner(Runner):
    """A QONNX file, run node by node by the ``qonnx`` package."""

    batch = 16

    def __init__(self, model: onnx.ModelProto) -> None:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.transformation.infer_shapes import InferShapes

        self._wrapper: Callable[[onnx.ModelProto], Any] = lambda model: ModelWrapper(model).transform(InferShapes())
        self._model = model
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


class QonnxFormat(FileFormat):
    """QONNX for FINN and hls4ml: images as float32 0 ... 255 in, logits out, one image at a time."""

    suffix = ".qonnx.onnx"
    versions = ("onnx", "qonnx")
    needs = "qonnx, FINN or hls4ml"

    def inputs(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the images as float32."""
        return pixels.astype(np.float32)

    def files(
        self, frozen: FrozenNetwork, metadata: Mapping[str, str], *, stem: str = "network", pixels: Tensor | None = None
    ) -> Files:
        """Return the one file."""
        return Files({self.suffix: to_qonnx(frozen, metadata).SerializeToString(deterministic=True)})

    def open(self, data: bytes) -> QonnxRunner:
        """Open the file in ``qonnx``."""
        if find_spec("qonnx") is None:
            raise ExportRequestError(
                "QONNX files are checked with the package qonnx, which is not installed: "
                "pip install 'ana-search[qonnx]', or export with --no-verify"
            )
        try:
            model = onnx.load_model_from_string(data)
            refuse_foreign(model, QonnxWriter.operators)
            return QonnxRunner(model)
        except ExportRequestError:
            raise
        except Exception as error:  # qonnx raises classes of its own
            raise ExportRequestError(f"qonnx cannot load it ({str(error)[:200]})") from error
