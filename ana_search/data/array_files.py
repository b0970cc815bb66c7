"""Arrays on the disk: the names, shapes and types of what an ``.npz`` file or a folder of ``.npy`` files holds.

Nothing is unpickled, and examples are not read before they are asked for.
"""

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import psutil

from ana_search.errors import DataError

__all__ = ["ArrayFile", "open_arrays"]


@dataclass(frozen=True)
class ArrayFile:
    """One array: what its header says. ``path`` is its own ``.npy`` file, ``None`` in an ``.npz`` file."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    path: Path | None
    archive: Path | None = None

    @property
    def bytes(self) -> int:
        """The bytes that the array takes in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def read(self) -> npt.NDArray[np.generic]:
        """Return the array in memory, in the byte order of this machine.

        Raises `DataError` where there is no room for it, or the file is damaged.
        """
        free = psutil.virtual_memory().available
        if self.bytes > free:
            raise DataError(
                f"data.root: {self.name} takes {self.bytes / 2**30:.1f} GiB of memory; allowed: what is free, "
                f"{free / 2**30:.1f} GiB (in a folder, as x.npy, it may be larger: np.save)"
            )
        with _reading(self.path or self.archive, self.name):
            if self.path is not None:
                array = np.load(self.path, allow_pickle=False)
            else:
                with np.load(cast(Path, self.archive), allow_pickle=False) as arrays:
                    array = arrays[self.name]
        return cast("npt.NDArray[np.generic]", array.astype(array.dtype.newbyteorder("="), copy=False))


def open_arrays(root: Path) -> dict[str, ArrayFile]:
    """Return the arrays of an ``.npz`` file or of a folder of ``.npy`` files, by name; of each only the header is read.

    Raises `DataError` for a file that is damaged, or whose arrays hold Python objects.
    """
    if root.is_dir():
        paths = sorted(path for path in root.iterdir() if path.suffix == ".npy" and not path.name.startswith("."))
        return {path.stem: _npy(path) for path in paths}
    found = {}
    with _reading(root, root.name), zipfile.ZipFile(root) as archive:
        for member in archive.namelist():
            if member.endswith(".npy"):
                name = member.removesuffix(".npy")
                with archive.open(member) as file:
                    shape, dtype = _header(file)
                found[name] = ArrayFile(name, shape, dtype, None, root)
    return _checked(found)


def _npy(path: Path) -> ArrayFile:
    with _reading(path, path.name):
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"data.root: {path} is no regular file; allowed: .npy files")
        with path.open("rb") as file:
            shape, dtype = _header(file)
            offset = file.tell()
    found = ArrayFile(path.stem, shape, dtype, path)
    if path.stat().st_size < offset + found.bytes and not dtype.hasobject:
        raise DataError(f"data.root: {path} is truncated: {path.stat().st_size:,} bytes of {offset + found.bytes:,}")
    return _checked({path.stem: found})[path.stem]


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Return shape and type from the header of a file in NumPy's format."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _fortran, dtype = read(file)
    return tuple(shape), dtype


def _checked(arrays: dict[str, ArrayFile]) -> dict[str, ArrayFile]:
    for array in arrays.values():
        if array.dtype.hasobject:
            raise DataError(f"data.root: {array.name} holds Python objects, which are never read; allowed: numbers")
    return arrays


@contextmanager
def _reading(path: Path | None, name: str) -> Iterator[None]:
    """Turn what NumPy and zipfile raise for a damaged file into a `DataError`."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's parser of headers each have their own kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"data.root: {path} ({name}) cannot be read as an array ({reason})") from None
