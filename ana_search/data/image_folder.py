"""A user's own images: ``root/train/<class>/`` and ``root/test/<class>/``, decoded once into a cache."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ana_search.data.cache import cache_file, read_cache, write_cache
from ana_search.data.decode import decode, decode_one, size_of
from ana_search.data.source import Images, Source
from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = ["SOURCE"]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_LAYOUT = "allowed: a folder that holds train/ and test/, each with one folder of images a class"
_VERSION = 2  # of what is decoded, and how
_TENSORS = {"train", "test", "counts"}


class _Found(NamedTuple):
    """The images of one part, by class and then by name; ``stamps`` tell whether a file has changed."""

    files: list[Path]
    labels: list[int]
    stamps: list[str]


def _load(plan: DataPlan) -> Images:
    root = _root(plan)
    classes = _classes(root)
    train, test = (_find(root, part, classes) for part in ("train", "test"))
    key = hashlib.sha256("\n".join([str(_VERSION), *train.stamps, *test.stamps]).encode(errors="surrogateescape"))
    cache = cache_file(root, key.hexdigest())
    tensors = read_cache(cache, _TENSORS)
    if tensors is None:
        tensors = _decode(root, train, test)
        write_cache(cache, tensors)
    means, deviations = _statistics(tensors["counts"])
    labels, test_labels = torch.tensor(train.labels), torch.tensor(test.labels)
    return Images(tensors["train"], labels, tensors["test"], test_labels, tuple(classes), means, deviations)


def _shape(plan: DataPlan) -> tuple[tuple[int, int, int], int]:
    root = _root(plan)
    classes = _classes(root)
    first = _find(root, "train", classes[:1]).files[0]
    channels, height, width = decode_one(first).shape
    return (channels, height, width), len(classes)


def _count(plan: DataPlan) -> int:
    root = _root(plan)
    return len(_find(root, "train", _classes(root)).files)


def _root(plan: DataPlan) -> Path:
    if plan.root is None:
        raise DataError(f"data.root: missing; image_folder needs it; {_LAYOUT}")
    try:
        root = Path(plan.root).expanduser()
        missing = [folder for folder in (root, root / "train", root / "test") if not folder.is_dir()]
    except (OSError, RuntimeError, ValueError) as error:  # too long a name, no such user's home, a NUL
        raise DataError(f"data.root: {plan.root[:200]} cannot be looked at ({str(error)[:200]}); {_LAYOUT}") from None
    if missing:
        raise DataError(f"data.root: {missing[0]} does not exist or is no folder (seen from {Path.cwd()}); {_LAYOUT}")
    return root.resolve()


def _classes(root: Path) -> list[str]:
    """Return the names of the classes, the folders in train/, in alphabetical order."""
    train, test = (
        {entry.name for entry in (root / part).iterdir() if entry.is_dir() and not entry.name.startswith(".")}
        for part in ("train", "test")
    )
    if len(train) < 2:
        raise DataError(f"data.root: {root / 'train'} holds {len(train)} class folders; allowed: 2 or more")
    if train != test:
        raise DataError(
            f"data.root: train/ and test/ in {root} must hold the same classes; "
            f"only one of them has {', '.join(sorted(train ^ test))}"
        )
    return sorted(train)


def _find(root: Path, part: str, classes: list[str]) -> _Found:
    found = _Found([], [], [])
    for label, name in enumerate(classes):
        folder = root / part / name
        with os.scandir(folder) as entries:
            images = sorted(
                (entry for entry in entries if entry.name.lower().endswith(_SUFFIXES)),
                key=lambda entry: entry.name,
            )
        if not images:
            raise DataError(f"data.root: no image in {folder}; allowed: {', '.join(_SUFFIXES)}")
        for entry in images:
            stat = entry.stat()
            found.files.append(folder / entry.name)
            found.labels.append(label)
            stamp = f"{part}/{name}/{entry.name} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
            found.stamps.append(stamp)
    return found


def _decode(root: Path, train: _Found, test: _Found) -> dict[str, Tensor]:
    """Return the images of both parts, and how often each channel of the training images has each value."""
    images, test_images = decode(train.files), decode(test.files)
    if images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"data.root: images in {root} are {size_of(images[0])} in train/, but {size_of(test_images[0])} in test/; "
            "allowed: images of one size and one number of channels"
        )
    counts = [torch.bincount(channel.flatten(), minlength=256) for channel in images.unbind(1)]
    return {"train": images, "test": test_images, "counts": torch.stack(counts)}


def _statistics(counts: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of pixel / 255 for each channel, from its counts, int64 [C, 256]."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    shares = counts / counts.sum(dim=1, keepdim=True).double()
    means = (shares * levels).sum(dim=1)
    variances = (shares * (levels - means[:, None]) ** 2).sum(dim=1)
    deviations = variances.sqrt().clamp_min(1 / 255)  # images of one colour have none
    return tuple(means.tolist()), tuple(deviations.tolist())


SOURCE = Source(load=_load, shape=_shape, flips=True, count=_count)
