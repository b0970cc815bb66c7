"""A data set's fingerprint: enough to say later that it is another one, and what of it has changed."""

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from ana_search.data.coding import InputStatistics
from ana_search.data.load import ImagePool
from ana_search.data.source import Examples

__all__ = ["DataFingerprint", "data_changes", "fingerprint"]

WHOLE = 1 << 30
"""Bytes of examples up to which all of them are hashed; of more, `SAMPLED` bytes of evenly spaced ones."""
SAMPLED = 1 << 26
_CHUNK = 1 << 24  # bytes that are hashed at once
_SHOWN = 12  # digits of a hash in a message


@dataclass(frozen=True)
class DataFingerprint:
    """SHA-256 of the examples for search and for the test, and of all labels; classes; what the coding is fitted to.

    ``counts`` are the numbers of examples for search and for the test, ``shape`` is that of one. ``sampled`` is the
    number of examples that were hashed, ``None`` for all.
    """

    images: str
    test_images: str
    labels: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    counts: tuple[int, int]
    sampled: int | None
    statistics: InputStatistics

    def to_json(self) -> Any:
        """Return the fingerprint as plain data."""
        return _ADAPTER.dump_python(self, mode="json")

    @classmethod
    def from_json(cls, data: Any) -> "DataFingerprint":
        """Return the fingerprint that `to_json` gave. Raises pydantic's ``ValidationError`` for anything else."""
        return _ADAPTER.validate_python(data)


_ADAPTER = TypeAdapter(DataFingerprint)


def fingerprint(pool: ImagePool) -> DataFingerprint:
    """Return the fingerprint of a data set. Of a mapped one that is large, only some rows are read."""
    count, shape = len(pool.images), tuple(pool.images.shape[1:])
    row = max(1, int(torch.Size(shape).numel()))
    sampled = None if count * row <= WHOLE else max(2, SAMPLED // row)
    parts = [(0, pool.search), (pool.search, count)]
    hashes = [_hash(pool.images, _rows(start, end, sampled), row) for start, end in parts]
    return DataFingerprint(
        images=hashes[0],
        test_images=hashes[1],
        labels=hashlib.sha256(pool.labels.numpy().tobytes()).hexdigest(),
        classes=pool.classes,
        shape=shape,
        counts=(pool.search, count - pool.search),
        sampled=sampled,
        statistics=pool.statistics,
    )


def data_changes(then: DataFingerprint, now: DataFingerprint) -> list[str]:
    """Return one line for each thing that is not what it was."""
    lines = []
    for what, was, is_ in (
        ("the shape of an example", list(then.shape), list(now.shape)),
        ("classes", ", ".join(then.classes), ", ".join(now.classes)),
        ("the number of examples for search", then.counts[0], now.counts[0]),
        ("the number of examples for the test", then.counts[1], now.counts[1]),
    ):
        if was != is_:
            lines.append(f"{what}: was {_short(was)}, is {_short(is_)}")
    some = "" if now.sampled is None else f" ({now.sampled:,} evenly spaced ones of them were looked at)"
    for what, was, is_ in (
        (f"images for search{some}", then.images, now.images),
        (f"images for the test{some}", then.test_images, now.test_images),
        ("labels", then.labels, now.labels),
    ):
        if was != is_:
            lines.append(f"{what}: their SHA-256 was {was[:_SHOWN]}, is {is_[:_SHOWN]}")
    if then.images != now.images and then.statistics != now.statistics:
        lines.append("the input's coding would be another one: it is fitted to the images for search")
    return lines


def _rows(start: int, end: int, sampled: int | None) -> Tensor:
    """Return the positions from ``start`` to ``end`` that are hashed, the first and the last among them."""
    if sampled is None or end - start <= sampled:
        return torch.arange(start, end)
    return start + torch.arange(sampled) * (end - start - 1) // (sampled - 1)


def _hash(images: Examples, positions: Tensor, row: int) -> str:
    digest = hashlib.sha256()
    step = max(1, _CHUNK // row)
    for first in range(0, len(positions), step):
        digest.update(images[positions[first : first + step]].contiguous().numpy().tobytes())
    return digest.hexdigest()


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
