"""Decoded images on disk, under the user's cache folder: never beside the images, which may be read-only.

A cache file is named after its folder of images and a key of that folder's contents. It is written under a
temporary name and renamed, so that workers that decode at once cannot disturb each other; the last one wins,
with the same contents.
"""

import hashlib
import os
from pathlib import Path

import torch
from torch import Tensor

from ana_search.files import write_durably

__all__ = ["cache_file", "read_cache", "write_cache"]


def cache_file(root: Path, key: str, form: str = "") -> Path | None:
    """Return where the images of ``root`` are kept while their key is ``key``; ``None`` without a home folder.

    Images in another ``form`` (their size and channels in words) have another place: two studies on one folder do not
    take it from each other.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:
        return None
    place = hashlib.sha256(os.fsencode(root) + form.encode()).hexdigest()[:12]
    return folder / "ana-search" / f"{place}-{key[:24]}.pt"


def read_cache(file: Path | None, names: set[str]) -> dict[str, Tensor] | None:
    """Return the tensors that were written to ``file``; ``None`` unless it can be read and holds these names."""
    if file is None or not file.is_file():
        return None
    try:
        tensors = torch.load(file, weights_only=True)
    except Exception:  # a damaged file makes the unpickler raise anything
        return None
    return tensors if isinstance(tensors, dict) and set(tensors) == names else None


def write_cache(file: Path | None, tensors: dict[str, Tensor]) -> None:
    """Write ``tensors`` and remove what was kept of the same folder before; without a place to write, do nothing."""
    if file is None:
        return
    try:
        write_durably(file, lambda stream: torch.save(tensors, stream))
        place = file.name.partition("-")[0]
        for old in file.parent.glob(f"{place}-*.pt"):
            if old != file:
                old.unlink(missing_ok=True)
    except (OSError, RuntimeError):  # torch.save raises RuntimeError where the disk is full
        return
