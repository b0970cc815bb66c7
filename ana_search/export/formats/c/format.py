"""C files: how they are written, and compiled and run to be verified."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ana_search.errors import ExportRequestError
from ana_search.export.formats.base import FileFormat, Files, Runner
from ana_search.export.formats.c.writer import to_c
from ana_search.export.integer import FrozenNetwork

__all__ = ["CFormat", "CRunner", "compiler"]

_SECONDS = 600
_ABOUT = re.compile(r"/\* ana-search (\{.*\}) \*/\n")


def compiler() -> str | None:
    """Return the machine's C compiler: ``$CC``, or the first of cc, gcc and clang."""
    return next(filter(None, map(shutil.which, (os.environ.get("CC", ""), "cc", "gcc", "clang"))), None)


class CRunner(Runner):
    """A C file, compiled by the machine's compiler and run as a program that reads images from its standard input."""

    batch = 256
    exact_logits = False

    def __init__(self, source: str, found: str) -> None:
        about = json.loads(_about(source))
        self.metadata: dict[str, str] = about["metadata"]
        self._layers: list[dict[str, Any]] = about["layers"]
        self._score, self._classes = np.dtype(about["score"].removesuffix("_t")), int(about["classes"])
        folder = Path(tempfile.mkdtemp(prefix="ana-search-c-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        (folder / "network.c").write_text(source)
        self._plain, self._traced = folder / "plain", folder / "traced"
        for program, options in ((self._plain, []), (self._traced, ["-DANA_SEARCH_TRACE"])):
            words = [found, "-std=c99", "-O2", *options, str(folder / "network.c"), "-o", str(program)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
            if done.returncode:
                raise ExportRequestError(f"{found} does not compile it: {done.stderr[:400]}")

    def _run(self, program: Path, inputs: NDArray[Any]) -> bytes:
        done = subprocess.run(
            [program], input=np.ascontiguousarray(inputs).tobytes(), capture_output=True, timeout=_SECONDS, check=False
        )
        if done.returncode:
            raise ExportRequestError(f"the compiled program ended with {done.returncode}")
        return done.stdout

    def classes(self, inputs: NDArray[Any]) -> NDArray[np.int64]:
        """Return what the program prints: one class an image."""
        return np.array(self._run(self._plain, inputs).split(), dtype=np.int64)

    def _records(self, inputs: NDArray[Any]) -> NDArray[Any]:
        fields = [(each["layer"], each["type"].removesuffix("_t"), tuple(each["shape"])) for each in self._layers]
        taps = [(f"layer {i}", kind, shape) for i, (_, kind, shape) in enumerate(fields)]
        record = np.dtype([*taps, ("scores", self._score, (self._classes,))])
        return np.frombuffer(self._run(self._traced, inputs), record)

    def logits(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return the scores [N, classes], with the class that the program prints in front wherever they are equal."""
        scores = self._records(inputs)["scores"].astype(np.float64)
        if not np.array_equal(scores.argmax(axis=1), self.classes(inputs)):
            raise ExportRequestError("the program prints other classes than its scores have")
        return scores

    def codes(self, inputs: NDArray[Any]) -> dict[str, NDArray[np.int64]]:
        """Return the codes of every quantised layer."""
        records = self._records(inputs)
        return {each["layer"]: records[f"layer {i}"].astype(np.int64) for i, each in enumerate(self._layers)}

    def milliseconds(self, inputs: NDArray[Any]) -> float:
        """Return the time of one image: what a hundred more of them take."""
        times = []
        for count in (1, 101):
            images = np.repeat(inputs[:1], count, axis=0)
            began = time.perf_counter()
            self._run(self._plain, images)
            times.append(time.perf_counter() - began)
        return round(max(0.0, times[1] - times[0]) * 10, 4)


class CFormat(FileFormat):
    """One file of C99 and a header: images of bytes in, classes out."""

    suffix = ".c"
    needs = "a C99 compiler"
    is_program = True

    def files(
        self, frozen: FrozenNetwork, metadata: Mapping[str, str], *, stem: str = "network", pixels: Tensor | None = None
    ) -> Files:
        """Return the file and its header."""
        made = to_c(frozen, stem, metadata, pixels)
        content = {".c": made.source.encode(), ".h": made.header.encode()}
        return Files(content, made.ram_bytes, made.flash_bytes)

    def missing(self) -> str | None:
        """Return why its files cannot be run here, or None."""
        return None if compiler() else "there is no C compiler here (cc, gcc or clang; $CC names another)"

    def metadata(self, data: bytes) -> dict[str, str]:
        """Return the metadata of a file without running it."""
        try:
            return dict(json.loads(_about(data.decode()))["metadata"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ExportRequestError(f"its first line does not say what it is ({str(error)[:200]})") from None

    def open(self, data: bytes) -> CRunner:
        """Compile the file. Only for files that are trusted: it is a program."""
        found = compiler()
        if found is None:
            raise ExportRequestError(str(self.missing()))
        return CRunner(data.decode(), found)


def _about(source: str) -> str:
    found = _ABOUT.match(source)
    if found is None:
        raise ValueError("no description")
    return found[1]
