"""torchvision's CIFAR-10, SVHN and Fashion-MNIST, with its download, as uint8 tensors."""

import sys
import tarfile
import zlib
from contextlib import redirect_stdout
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from ana_search.data.source import Images
from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = ["DEFAULT_ROOT", "load_parts"]

DEFAULT_ROOT = "data"
Arguments = dict[str, str | bool]

_KINDS = {"cifar10": "CIFAR10", "svhn": "SVHN", "fashion_mnist": "FashionMNIST"}
_BROKEN = (OSError, RuntimeError, EOFError, HTTPException, tarfile.TarError, zlib.error)


def load_parts(
    plan: DataPlan,
    parts: tuple[Arguments, Arguments],
    classes: tuple[str, ...],
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
) -> Images:
    """Return the images that torchvision's data set of this name holds; downloaded to ``plan.root`` if need be.

    ``parts`` are the arguments of its training and of its test part; ``statistics`` the published means and
    standard deviations of pixel / 255 by channel.

    Raises:
        DataError: the files are not there and cannot be downloaded.
    """
    try:
        root = Path(plan.root or DEFAULT_ROOT).expanduser()
    except RuntimeError as error:
        raise DataError(f"data.root: {plan.root} cannot be looked at ({error}); allowed: a folder") from None
    (images, labels), (test_images, test_labels) = (_read(plan.name, root, part) for part in parts)
    return Images(images, labels, test_images, test_labels, classes, *statistics)


def _read(name: str, root: Path, part: Arguments) -> tuple[Tensor, Tensor]:
    try:
        raw = _open(name, root, part)
    except _BROKEN as error:
        raise DataError(
            f"data.root: data set {name!r} is not in {root.resolve()} and could not be downloaded ({error}); "
            "allowed: a network connection, or a folder with torchvision's files"
        ) from error
    images = torch.as_tensor(raw.data)
    if name == "cifar10":
        images = images.permute(0, 3, 1, 2)
    elif name == "fashion_mnist":
        images = images.unsqueeze(1)
    labels = torch.as_tensor(raw.labels if name == "svhn" else raw.targets)
    return images.to(torch.uint8).contiguous(), labels.to(torch.int64)


def _open(name: str, root: Path, part: Arguments) -> Any:
    """Return torchvision's data set from ``root``; one process at a time downloads what is missing."""
    import torchvision  # takes seconds that reading a study file need not wait for

    kind = getattr(torchvision.datasets, _KINDS[name])
    with redirect_stdout(sys.stderr):  # torchvision prints; standard output is for results
        try:
            return kind(str(root), download=False, **part)
        except RuntimeError:  # not there, or damaged
            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / f".{name}.lock"):
                return kind(str(root), download=True, **part)
