"""Reading files that may be damaged, or come from someone who is not trusted.

A loss of power leaves empty files, a full disk half ones, and a folder from elsewhere may hold anything. What is
read here is plain data of a bounded size from a regular file: nothing in it is run, and whatever is wrong with it is
one error that names the file.
"""

import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ana_search.errors import DamagedFileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = [
    "file_inside",
    "is_number",
    "parse_arrays",
    "parse_safetensors",
    "parse_saved",
    "parse_state",
    "read_arrays",
    "read_file",
    "read_json",
    "read_state",
]

JSON_LIMIT = 256 << 20
"""Bytes of a JSON file: a history of 500 epochs has a tenth of a megabyte."""
FILE_LIMIT = 16 << 30
"""Bytes of a file of weights."""
ARRAYS_LIMIT = 2 << 30
"""Bytes of all arrays of an ``.npz`` file together, unpacked."""
_SHOWN = 200
_SAFETENSORS_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "BOOL": "bool",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
}


def read_file(path: Path, limit: int = FILE_LIMIT) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFileError: it is something else than a file (a pipe would wait for ever), too large, or unreadable.
    """
    try:
        # A pipe of that name would block its reader in open() already; a file is not affected by the flag.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise DamagedFileError(f"{_named(path)}: is not a regular file")
            if about.st_size > limit:
                raise DamagedFileError(f"{_named(path)}: has {about.st_size:,} bytes; allowed: at most {limit:,}")
            return file.read()
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # a NUL in the name is a ValueError
        reason = error.strerror if isinstance(error, OSError) else error
        raise DamagedFileError(f"{_named(path)}: cannot be read ({reason})") from None


def read_json(path: Path, limit: int = JSON_LIMIT) -> Any:
    """Return what a JSON file holds. Raises as `read_file`, and `DamagedFileError` for what is not JSON."""
    content = read_file(path, limit)
    if not content:
        raise DamagedFileError(f"{_named(path)}: is empty")
    try:
        return json.loads(content)
    except RecursionError:
        raise DamagedFileError(f"{_named(path)}: is nested too deep") from None
    except (ValueError, MemoryError) as error:  # not JSON, not UTF-8, or a number of too many digits
        raise DamagedFileError(f"{_named(path)}: cannot be read as JSON ({str(error)[:_SHOWN]})") from None


def read_state(path: Path) -> "dict[str, Tensor]":
    """Return the state dict that a file holds: names and tensors, on the CPU, and nothing else.

    Raises as `read_file`, and `DamagedFileError` for a file that is damaged or holds anything but tensors.
    """
    return parse_state(read_file(path), path)


def parse_state(content: bytes, path: Path) -> "dict[str, Tensor]":
    """Return the state dict in the content of the file ``path``. Raises `DamagedFileError` as `read_state`."""
    import torch

    state = parse_saved(content, path)
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in state.items()
    ):
        raise DamagedFileError(f"{_named(path)}: holds something else than named tensors")
    return state


def parse_saved(content: bytes, path: Path) -> object:
    """Return what ``torch.save`` has written into the file ``path``: tensors, numbers, texts, lists and dictionaries.

    Nothing else is unpickled. Raises `DamagedFileError` for a file that is damaged or holds anything else.
    """
    import warnings

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old and foreign formats are warned of before they are refused
            return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged file makes the unpickler raise anything
        reason = " ".join(str(error).split())[:_SHOWN] or type(error).__name__
        what = "is empty" if not content else f"is not a file of weights ({reason})"
        raise DamagedFileError(f"{_named(path)}: {what}") from None


def parse_safetensors(content: bytes, path: Path) -> "dict[str, Tensor]":
    """Return the tensors in the content of a file in the format *safetensors*.

    Eight bytes hold the length of a header in JSON, which gives every tensor's type, shape and place in the bytes
    that follow (https://github.com/huggingface/safetensors#format). Raises `DamagedFileError` for anything else.
    """
    import torch

    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, JSON_LIMIT):
        raise DamagedFileError(f"{_named(path)}: {'is empty' if not content else 'is not a safetensors file'}")
    data = content[8 + length :]
    found: dict[str, Tensor] = {}
    try:
        header: dict[str, Any] = json.loads(content[8 : 8 + length])
        for name, about in header.items():
            if name == "__metadata__":
                continue
            dtype, (begin, end) = getattr(torch, _SAFETENSORS_TYPES[about["dtype"]]), about["data_offsets"]
            shape = torch.Size(about["shape"])
            if not 0 <= begin <= end <= len(data) or shape.numel() * dtype.itemsize != end - begin:
                raise ValueError(f"tensor {name!r} of shape {list(shape)} has the bytes {begin} to {end}")
            flat = torch.frombuffer(bytearray(data[begin:end]), dtype=dtype) if end > begin else torch.empty(0)
            found[name] = flat.to(dtype).reshape(shape)
    except Exception as error:  # whatever a header that anyone may write makes its readers raise
        reason = " ".join(str(error).split())[:_SHOWN] or type(error).__name__
        raise DamagedFileError(f"{_named(path)}: is not a safetensors file ({reason})") from None
    return found


def read_arrays(path: Path, names: Sequence[str], limit: int = ARRAYS_LIMIT) -> "list[NDArray[np.generic]]":
    """Return the arrays of these names from an ``.npz`` file; nothing that it holds is unpickled.

    Raises as `read_file`, and `DamagedFileError` for a file that is damaged, lacks an array, or would take more than
    ``limit`` bytes unpacked.
    """
    return parse_arrays(read_file(path), path, names, limit)


def parse_arrays(
    content: bytes, path: Path, names: Sequence[str], limit: int = ARRAYS_LIMIT
) -> "list[NDArray[np.generic]]":
    """Return the arrays in the content of the file ``path``. Raises `DamagedFileError` as `read_arrays`."""
    import numpy as np

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(archive.getinfo(f"{name}.npy").file_size for name in names)
        if size > limit:
            raise DamagedFileError(f"{_named(path)}: takes {size:,} bytes unpacked; allowed: at most {limit:,}")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return [arrays[name] for name in names]
    except DamagedFileError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's parser of headers each have their own kinds
        reason = " ".join(str(error).split())[:_SHOWN] or type(error).__name__
        raise DamagedFileError(f"{_named(path)}: cannot be read as arrays ({reason})") from None


def file_inside(folder: Path, name: object) -> Path:
    """Return the regular file ``name`` that lies in ``folder`` itself, not elsewhere by way of a link.

    Raises `DamagedFileError` for anything else that a manifest may name: a path, a link that leads out, a pipe.
    """
    if not isinstance(name, str) or name in ("", ".", "..") or name != Path(name).name or "\0" in name:
        raise DamagedFileError(f"{_brief(name)}: must be a file name in the same folder")
    if len(os.fsencode(name)) > 255:
        raise DamagedFileError(f"{_brief(name)}: a file name has at most 255 bytes")
    path = folder / name
    try:
        about = path.stat()
        inside = path.resolve().parent == folder.resolve()
    except OSError as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise DamagedFileError(f"the file {name} {what}") from None
    if not stat.S_ISREG(about.st_mode) or not inside:
        raise DamagedFileError(f"the file {name} {'is a link to another folder' if not inside else 'is no file'}")
    return path


def is_number(value: object) -> bool:
    """Return whether a value read from JSON is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _named(path: Path) -> str:
    return _brief(str(path)).strip("'\"") if len(str(path)) > 4 * _SHOWN else str(path)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} (cut)"
