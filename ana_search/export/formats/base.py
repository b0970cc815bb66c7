"""What every file format offers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ana_search.export.integer import FrozenNetwork

__all__ = ["FileFormat", "Runner", "names"]


def names(text: str) -> frozenset[str]:
    """Return the names in a text, which blanks separate: what a file may hold."""
    return frozenset(text.split())


class Runner(Protocol):
    """An exported file, opened in its runtime."""

    batch: int
    """Images that are best given at a time."""
    metadata: dict[str, str]
    """What `FileFormat.write` was given."""

    def logits(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Return the logits [N, classes] of inputs [N, C, H, W]."""
        ...

    def codes(self, inputs: NDArray[Any]) -> dict[str, NDArray[np.int64]]:
        """Return the integer codes of every quantised layer, by name."""
        ...


class FileFormat(Protocol):
    """One format: how a frozen network is written, and opened again."""

    suffix: str
    """How file names end, dot included."""
    versions: tuple[str, ...]
    """The packages whose versions the manifest states."""

    def inputs(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return uint8 images [N, C, H, W] as the file wants them."""
        ...

    def write(self, frozen: FrozenNetwork, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the file."""
        ...

    def open(self, data: bytes) -> Runner:
        """Open a file's content in its runtime.

        Raises:
            ExportRequestError: the runtime refuses it, or it holds what could run code or read another file.
        """
        ...
