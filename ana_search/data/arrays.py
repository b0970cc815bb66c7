"""A user's own arrays: ``x`` and ``y``, and ``x_test`` and ``y_test``, of an ``.npz`` file or a folder of ``.npy``.

Examples are [N, ...], uint8 or floating point: tables [N, F], signals [N, C, T], images [N, C, H, W]. What is small is
read once; large ``.npy`` files are mapped, and every batch reads its own rows.
"""

import math
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ana_search.data.array_files import ArrayFile, open_arrays
from ana_search.data.coding import InputStatistics, Scaling, statistics_of
from ana_search.data.rows import MappedRows
from ana_search.data.source import Examples, Images, Source
from ana_search.data.split import held_out
from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = ["IN_MEMORY", "SOURCE"]

IN_MEMORY = 1 << 30
"""Bytes of examples up to which they are read into memory; larger ``.npy`` files are mapped."""
_SAMPLE = 1 << 28  # bytes of examples that the coding is fitted to: all of them, or as many evenly spaced ones
_CHUNK = 1 << 24  # bytes that are counted at once
_SORTED = 1 << 25  # bytes of examples that the usual range of a channel is read from
_TAIL = 0.01  # of the numbers of a channel on either side that may lie outside its usual range
_KINDS = "allowed: uint8, or float16, float32 or float64 (x.astype(np.float32))"


@dataclass(frozen=True)
class _Part:
    """The examples and the labels of one part."""

    x: ArrayFile
    y: npt.NDArray[np.generic]


def _load(plan: DataPlan) -> Images:
    train, test = _parts(plan)
    classes, labels = _classes(train)
    x = _examples(train.x)
    if test is None:
        search, kept = held_out(labels)
        test_x, test_labels = x, labels[kept]
        labels = labels[search]
    else:
        search, kept = torch.arange(len(labels)), torch.arange(len(test.y))
        test_x, test_labels = _examples(test.x), _labels_of(test, classes)
    statistics = _fit(x, search, train.x)
    return Images.fitted(
        _pixels(x, search, statistics.scaling, train.x),
        labels,
        _pixels(test_x, kept, statistics.scaling, (test or train).x),
        test_labels,
        classes,
        statistics,
    )


def _shape(plan: DataPlan) -> tuple[tuple[int, ...], int]:
    train, _ = _parts(plan)
    return train.x.shape[1:], len(_classes(train)[0])


def _count(plan: DataPlan) -> int:
    train, test = _parts(plan)
    labels = _classes(train)[1]
    return len(labels) if test is not None else len(held_out(labels)[0])


def _notes(plan: DataPlan) -> list[str]:
    arrays = open_arrays(_root(plan))
    train, test = _parts(plan)
    notes = []
    others = [name for name in arrays if name not in ("x", "y", "x_test", "y_test")]
    if others:
        notes.append(f"data.root: arrays that are not read: {', '.join(others[:5])} (x, y, x_test and y_test are)")
    if test is None:
        labels = _classes(train)[1]
        notes.append(
            f"data.root: no x_test and y_test: {len(held_out(labels)[1])} of the {len(labels)} examples, the classes "
            "in proportion, take no part in the search; `confirm` measures on them"
        )
    shape = train.x.shape
    if len(shape) == 4 and shape[-1] in (1, 3, 4) and shape[1] not in (1, 3, 4):
        notes.append(
            f"data.root: x has the shape {list(shape)}, and is read as [N, channels, height, width] with {shape[1]} "
            "channels; if the channels come last: np.moveaxis(x, -1, 1)"
        )
    return notes


def _root(plan: DataPlan) -> Path:
    rule = "allowed: a .npz file with x and y, or a folder with x.npy and y.npy (and x_test, y_test)"
    if plan.root is None:
        raise DataError(f"data.root: missing; arrays needs it; {rule}")
    try:
        root = Path(plan.root).expanduser()
        mode = root.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be looked at ({str(error)[:200]})"
        raise DataError(f"data.root: {plan.root[:200]} {what} (seen from {Path.cwd()}); {rule}") from None
    if not stat.S_ISDIR(mode) and not (stat.S_ISREG(mode) and root.suffix == ".npz"):
        raise DataError(f"data.root: {root} is neither a folder nor a .npz file; {rule}")
    return root.resolve()


def _parts(plan: DataPlan) -> tuple[_Part, _Part | None]:
    """Return the part for search and that for the test, ``None`` where there is none; examples are not read."""
    root = _root(plan)
    arrays = open_arrays(root)
    missing = [name for name in ("x", "y") if name not in arrays]
    if ("x_test" in arrays) != ("y_test" in arrays):
        missing.append("y_test" if "x_test" in arrays else "x_test")
    if missing:
        there = ", ".join(arrays) or "none"
        raise DataError(f"data.root: {root} has no {' and no '.join(missing)}; it holds {there}")
    train = _part(arrays, "")
    test = _part(arrays, "_test") if "x_test" in arrays else None
    if test is not None and (test.x.shape[1:], test.x.dtype) != (train.x.shape[1:], train.x.dtype):
        raise DataError(
            f"data.root: {test.x.name} is {test.x.dtype} {list(test.x.shape)}, {train.x.name} is {train.x.dtype} "
            f"{list(train.x.shape)}; allowed: examples of one shape and one type"
        )
    return train, test


def _part(arrays: Mapping[str, ArrayFile], suffix: str) -> _Part:
    x, labels = arrays[f"x{suffix}"], arrays[f"y{suffix}"]
    if x.dtype != np.uint8 and not np.issubdtype(x.dtype, np.floating):
        raise DataError(f"data.root: {x.name} is of type {x.dtype}; {_KINDS}")
    if len(x.shape) not in (2, 3, 4, 5) or 0 in x.shape:
        raise DataError(
            f"data.root: {x.name} has the shape {list(x.shape)}; allowed: [N, F] for tables, [N, C, T] for signals, "
            "[N, C, H, W] for images, none of them 0"
        )
    y = labels.read()
    if y.ndim == 2 and y.shape[1] > 1:
        raise DataError(f"data.root: {labels.name} has the shape {list(y.shape)}; allowed: [N] (y.argmax(axis=1))")
    y = y.reshape(-1) if y.ndim == 2 else y
    if y.ndim != 1 or y.dtype.kind not in "biuUS":
        raise DataError(
            f"data.root: {labels.name} is {y.dtype} {list(y.shape)}; allowed: whole numbers or texts [N] "
            "(y.astype(np.int64))"
        )
    if len(y) != x.shape[0]:
        raise DataError(f"data.root: {x.name} has {x.shape[0]:,} examples, {labels.name} has {len(y):,} labels")
    return _Part(x, y)


def _classes(part: _Part) -> tuple[tuple[str, ...], Tensor]:
    """Return the names of the classes, the different labels in ascending order, and each example's position in them."""
    values, labels = np.unique(part.y, return_inverse=True)
    if len(values) < 2:
        raise DataError(f"data.root: y has {len(values)} class; allowed: 2 or more")
    return tuple(map(_word, values.tolist())), torch.from_numpy(labels.reshape(-1).astype(np.int64))


def _labels_of(part: _Part, classes: tuple[str, ...]) -> Tensor:
    values, labels = np.unique(part.y, return_inverse=True)
    positions = {name: position for position, name in enumerate(classes)}
    unknown = [word for word in map(_word, values.tolist()) if word not in positions]
    if unknown:
        raise DataError(f"data.root: y_test has the class {unknown[0]!r}, which y has not; allowed: those of y")
    table = np.array([positions[_word(value)] for value in values.tolist()], dtype=np.int64)
    return torch.from_numpy(table[labels.reshape(-1)])


def _word(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _examples(file: ArrayFile) -> Examples:
    """Return the examples of a file as they are: mapped where they are large, else in memory."""
    if file.path is not None and file.bytes > IN_MEMORY:
        return MappedRows([file.path])
    return torch.from_numpy(np.ascontiguousarray(file.read()))


def _raw(x: Examples, positions: Tensor) -> Tensor:
    return x.raw(positions) if isinstance(x, MappedRows) else x[positions]


def _pixels(x: Examples, positions: Tensor, scaling: Scaling | None, file: ArrayFile) -> Examples:
    """Return the examples at ``positions`` such that what is read of them is uint8."""
    everything = len(positions) == len(x)
    if isinstance(x, MappedRows):
        rows = MappedRows(x.files, scaling)
        return rows if everything else rows.take(positions)
    if scaling is None:
        return x if everything else x[positions]
    pixels = torch.empty((len(positions), *x.shape[1:]), dtype=torch.uint8)
    step = _rows_of_a_chunk(file)
    for start in range(0, len(positions), step):
        numbers = x[positions[start : start + step]]
        _refuse_nan(numbers, file)
        pixels[start : start + step] = scaling(numbers)
    return pixels


def _rows_of_a_chunk(file: ArrayFile) -> int:
    return max(1, _CHUNK * file.shape[0] // file.bytes)


def _fit(x: Examples, search: Tensor, file: ArrayFile) -> InputStatistics:
    """Return what the coding is fitted to: the examples for search, or evenly spaced ones of very many."""
    count = min(len(search), max(1, _SAMPLE * file.shape[0] // file.bytes))
    sample = search[torch.arange(count) * len(search) // count]
    rows = _rows_of_a_chunk(file)
    chunks = [sample[start : start + rows] for start in range(0, count, rows)]
    scaling = None if file.dtype == np.uint8 else _scaling(x, chunks, file)
    channels = file.shape[1]
    counts = torch.zeros(channels * 256, dtype=torch.int64)
    offsets = (torch.arange(channels) * 256).view(1, -1, *[1] * (len(file.shape) - 2))
    for chunk in chunks:
        numbers = _raw(x, chunk)
        pixels = numbers if scaling is None else scaling(numbers)
        counts += torch.bincount((pixels.long() + offsets).flatten(), minlength=channels * 256)
    return statistics_of(counts.view(channels, 256), scaling)


def _scaling(x: Examples, chunks: Sequence[Tensor], file: ArrayFile) -> Scaling:
    """Return how numbers become pixels: the range of each channel in 255 equal steps, without far outliers.

    A number is cut off where it lies further from the usual range, of all but a hundredth on either side, than that
    range is wide: of normal noise nothing is (seven standard deviations), of one wrong reading everything.
    """
    lows, highs, some = [], [], []
    thin = max(1, sum(map(len, chunks)) * file.bytes // file.shape[0] // _SORTED)
    for chunk in chunks:
        numbers = _raw(x, chunk).double().transpose(0, 1)
        _refuse_nan(numbers, file, infinite=True)
        lows.append(numbers.flatten(1).min(dim=1).values)
        highs.append(numbers.flatten(1).max(dim=1).values)
        some.append(numbers[:, ::thin].flatten(1))
    usual = torch.cat(some, dim=1).sort(dim=1).values
    tail = int(_TAIL * (usual.shape[1] - 1))
    first, last = usual[:, tail], usual[:, -1 - tail]
    low, high = torch.stack(lows).amin(dim=0), torch.stack(highs).amax(dim=0)
    width = torch.where(last > first, last - first, torch.full_like(low, math.inf))
    low, high = torch.maximum(low, first - width), torch.minimum(high, last + width)
    step = torch.where(high > low, (high - low) / 255, torch.ones_like(low))
    return Scaling(tuple(low.tolist()), tuple(step.tolist()))


def _refuse_nan(numbers: Tensor, file: ArrayFile, infinite: bool = False) -> None:
    if bool((~numbers.isfinite()).any() if infinite else numbers.isnan().any()):
        raise DataError(f"data.root: {file.name} holds NaN or infinite numbers; allowed: finite numbers")


SOURCE = Source(load=_load, shape=_shape, flips=False, count=_count, notes=_notes, coding="fitted")
