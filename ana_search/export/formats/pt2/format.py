"""PyTorch files: the frozen module as ``torch.export`` saves it."""

import io
import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ana_search.errors import ExportRequestError
from ana_search.export.formats.base import FileFormat, Files, Runner
from ana_search.export.formats.pt2.archive import METADATA, rebuilt
from ana_search.export.integer import FrozenNetwork

__all__ = ["Pt2Format"]


class _WithCodes(nn.Module):
    """Returns the logits and then the codes of every quantised layer."""

    def __init__(self, frozen: FrozenNetwork) -> None:
        super().__init__()
        self.frozen = frozen

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return logits and codes."""
        values = self.frozen.run(pixels)
        taps = [value for step, value in zip(self.frozen.steps, values[1:], strict=True) if step.layer]
        return (values[-1], *taps)


class Pt2Runner(Runner):
    """An exported program, run by PyTorch."""

    def __init__(self, archive: BinaryIO) -> None:
        extra = {METADATA: ""}
        self._program = torch.export.load(archive, extra_files=extra).module()
        stored = json.loads(extra[METADATA])
        self.metadata: dict[str, str] = stored["metadata"]
        self._layers: list[str] = stored["layers"]

    @torch.no_grad()
    def _run(self, inputs: NDArray[Any]) -> tuple[Tensor, ...]:
        values: tuple[Tensor, ...] = self._program(torch.from_numpy(inputs))
        return values

    def logits(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Return the logits [N, classes]."""
        return self._run(inputs)[0].numpy()

    def codes(self, inputs: NDArray[Any]) -> dict[str, NDArray[np.int64]]:
        """Return the codes of every quantised layer."""
        pairs = zip(self._layers, self._run(inputs)[1:], strict=True)
        return {layer: value.numpy().astype(np.int64) for layer, value in pairs}


class Pt2Format(FileFormat):
    """``torch.export``: uint8 images in; logits, then the codes of every quantised layer, out."""

    suffix = ".pt2"
    versions = ("torch",)
    needs = "PyTorch"

    def files(
        self, frozen: FrozenNetwork, metadata: Mapping[str, str], *, stem: str = "network", pixels: Tensor | None = None
    ) -> Files:
        """Return the one file."""
        example = torch.zeros(2, *frozen.input_shape, dtype=torch.uint8)
        batch = torch.export.Dim("N", min=1)
        program = torch.export.export(_WithCodes(frozen), (example,), dynamic_shapes={"pixels": {0: batch}})
        stored = json.dumps({"metadata": dict(metadata), "layers": frozen.layers})
        archive = io.BytesIO()
        torch.export.save(program, archive, extra_files={METADATA: stored})
        return Files({self.suffix: archive.getvalue()})

    def open(self, data: bytes) -> Pt2Runner:
        """Open the file in PyTorch, once nothing in it can run code."""
        archive = rebuilt(data)
        try:
            return Pt2Runner(archive)
        except Exception as error:  # a damaged archive raises whatever its reader stumbles on
            raise ExportRequestError(f"PyTorch cannot load it ({str(error)[:200]})") from error
