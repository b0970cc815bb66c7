"""A user's own images: ``root/train/<class>/`` and ``root/test/<class>/``, decoded once into a cache."""

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ana_search.data.source import Images, Source
from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = ["SOURCE"]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
_LAYOUT = "allowed: a folder that holds train/ and test/, each with one folder of images a class"
_CACHE_VERSION = 1

Listing = list[tuple[Path, int]]


def _load(plan: DataPlan) -> Images:
    root = _root(plan)
    classes = _classes(root)
    train, test = (_list(root, part, classes) for part in ("train", "test"))
    cache = _cache_file(root, [*train, *test])
    if cache.is_file():
        arrays = torch.load(cache, weights_only=True)
    else:
        arrays = {"train": _decode(train), "test": _decode(test)}
        _check_sizes(arrays["train"], arrays["test"], root)
        _write(arrays, cache)
    images = arrays["train"]
    means, deviations = _statistics(images)
    labels, test_labels = (torch.tensor([label for _, label in part]) for part in (train, test))
    return Images(images, labels, arrays["test"], test_labels, tuple(classes), means, deviations)


def _shape(plan: DataPlan) -> tuple[tuple[int, int, int], int]:
    root = _root(plan)
    classes = _classes(root)
    first = _list(root, "train", classes)[0][0]
    channels, height, width = _decode_one(first).shape
    return (channels, height, width), len(classes)


def _root(plan: DataPlan) -> Path:
    if plan.root is None:
        raise DataError(f"data.root: missing; image_folder needs it; {_LAYOUT}")
    root = Path(plan.root).expanduser()
    for folder in (root, root / "train", root / "test"):
        if not folder.is_dir():
            raise DataError(f"data.root: {folder} does not exist (seen from {Path.cwd()}); {_LAYOUT}")
    return root.resolve()


def _classes(root: Path) -> list[str]:
    classes = sorted(entry.name for entry in (root / "train").iterdir() if entry.is_dir())
    if len(classes) < 2:
        raise DataError(
            f"data.root: {root / 'train'} holds {len(classes)} class folders; at least 2 are needed"
        )
    return classes


def _list(root: Path, part: str, classes: list[str]) -> Listing:
    """Return every image of a part with its label, by class and then by name."""
    found: Listing = []
    for label, name in enumerate(classes):
        folder = root / part / name
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        images = [path for path in files if path.suffix.lower() in _SUFFIXES]
        if not images:
            raise DataError(f"data.root: no image in {folder}; allowed: {', '.join(sorted(_SUFFIXES))}")
        found += [(path, label) for path in images]
    return found


def _decode(listing: Listing) -> Tensor:
    """Return uint8 [N, C, H, W]. Raises `DataError` for an image of another size than the first."""
    first = _decode_one(listing[0][0])
    images = torch.empty((len(listing), *first.shape), dtype=torch.uint8)
    for position, (path, _) in enumerate(listing):
        image = _decode_one(path)
        if image.shape != first.shape:
            raise DataError(
                f"data.root: {path} is {_size(image)}, {listing[0][0]} is {_size(first)}; "
                "all images must have one size and one number of channels"
            )
        images[position] = image
    return images


def _decode_one(path: Path) -> Tensor:
    """Return one image as uint8 [C, H, W]: one channel if it is grey, else three."""
    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("L" if image.mode in ("1", "L", "I", "I;16") else "RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"data.root: {path} cannot be read as an image ({error})") from error
    tensor = torch.from_numpy(pixels)
    return tensor.unsqueeze(0) if tensor.ndim == 2 else tensor.permute(2, 0, 1)


def _size(image: Tensor) -> str:
    channels, height, width = image.shape
    return f"{width} x {height} with {channels} channel{'s' if channels > 1 else ''}"


def _check_sizes(train: Tensor, test: Tensor, root: Path) -> None:
    if train.shape[1:] != test.shape[1:]:
        raise DataError(f"data.root: {root} has {_size(train[0])} in train/ and {_size(test[0])} in test/")


def _statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of pixel / 255 for each channel, from exact integer counts."""
    means, deviations = [], []
    levels = torch.arange(256, dtype=torch.float64) / 255
    for channel in range(images.shape[1]):
        counts = torch.bincount(images[:, channel].flatten(), minlength=256).double()
        mean = (counts * levels).sum() / counts.sum()
        variance = (counts * (levels - mean) ** 2).sum() / counts.sum()
        means.append(mean.item())
        deviations.append(max(variance.sqrt().item(), 1 / 255))
    return tuple(means), tuple(deviations)


def _cache_file(root: Path, listing: Listing) -> Path:
    """Return the cache's path; it names the files, their sizes and times, so that a changed folder has another."""
    key = hashlib.sha256(f"{_CACHE_VERSION}\n{root}\n".encode())
    for path, label in listing:
        stat = path.stat()
        key.update(f"{path.relative_to(root)}\0{label}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ana-search" / f"{root.name}-{key.hexdigest()[:24]}.pt"


def _write(arrays: dict[str, Tensor], cache: Path) -> None:
    """Write the cache under a temporary name and rename it; without a place to write, do without."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache.parent, suffix=".part", delete=False) as file:
            torch.save(arrays, file)
        Path(file.name).replace(cache)
    except OSError:
        return


SOURCE = Source(load=_load, shape=_shape, flips=True)
