"""What every file format offers."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ana_search.export.integer import FrozenNetwork

__all__ = ["FileFormat", "Files", "Runner", "names"]

_SECONDS = 0.5


def names(text: str) -> frozenset[str]:
    """Return the names in a text, which blanks separate: what a file may hold."""
    return frozenset(text.split())


class Runner(ABC):
    """An exported file, opened in its runtime."""

    batch: ClassVar[int] = 64
    """Images that are best given at a time."""
    exact_logits: ClassVar[bool] = True
    """Whether `logits` are those of the network, or numbers of which only the order counts."""
    metadata: dict[str, str]
    """What `FileFormat.files` was given."""

    @abstractmethod
    def logits(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return the logits [N, classes] of inputs [N, C, H, W]."""

    @abstractmethod
    def codes(self, inputs: NDArray[Any]) -> dict[str, NDArray[np.int64]]:
        """Return the integer codes of every quantised layer, by name."""

    def milliseconds(self, inputs: NDArray[Any]) -> float:
        """Return the median time of one image, on one thread."""
        self.logits(inputs)
        times: list[float] = []
        end = time.perf_counter() + _SECONDS
        while len(times) < 3 or (time.perf_counter() < end and len(times) < 200):
            start = time.perf_counter()
            self.logits(inputs)
            times.append(time.perf_counter() - start)
        return round(1000 * float(np.median(times)), 4)


@dataclass(frozen=True)
class Files:
    """The content of each file, by its suffix; for a format that knows them, what the network needs to run.

    The first file is the one that is opened. ``ram_bytes`` are those of its values, ``flash_bytes`` those of its
    constants; a program's own code comes on top.
    """

    content: Mapping[str, bytes]
    ram_bytes: int | None = None
    flash_bytes: int | None = None


class FileFormat(ABC):
    """One format: how a frozen network is written, and opened again."""

    suffix: ClassVar[str]
    """How file names end, dot included."""
    versions: ClassVar[tuple[str, ...]] = ()
    """The packages whose versions the manifest states."""
    needs: ClassVar[str]
    """What its files need to run, in words."""
    is_program: ClassVar[bool] = False
    """Whether its files are programs: those of others are not run to be checked."""

    def inputs(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return uint8 images [N, C, H, W] as the file wants them: as they are, unless a format says otherwise."""
        return pixels

    @abstractmethod
    def files(
        self, frozen: FrozenNetwork, metadata: Mapping[str, str], *, stem: str = "network", pixels: Tensor | None = None
    ) -> Files:
        """Return the files' content; ``stem`` is their name, ``pixels`` are images on which no prediction may change.

        Raises:
            ExportRequestError: an operation that the format has nothing for.
        """

    def missing(self) -> str | None:
        """Return why its files cannot be run here; None where they can."""
        return None

    @abstractmethod
    def open(self, data: bytes) -> Runner:
        """Open a file's content in its runtime.

        Raises:
            ExportRequestError: the runtime refuses it, or it holds what could run code or read another file.
        """

    def metadata(self, data: bytes) -> dict[str, str]:
        """Return what `files` was given, without running anything of the file."""
        return self.open(data).metadata
