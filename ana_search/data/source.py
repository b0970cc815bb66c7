"""What a data set's own file provides: images and labels, those for search and those for the final test."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = ["Images", "Source", "check_images"]


@dataclass(frozen=True)
class Images:
    """Images as they are: uint8 [N, C, H, W], int64 labels [N], and the part kept for the final test.

    A label is a position in ``classes``. ``means`` and ``deviations`` are those of pixel / 255 for each channel,
    over the images for search.
    """

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]


@dataclass(frozen=True)
class Source:
    """How to get a data set: ``load`` reads the images, ``shape`` tells what they are like without them.

    ``shape`` returns ((channels, height, width), number of classes). ``flips`` says whether a mirrored image
    still shows its class. ``count`` tells the number of images for search, where that is known without them.
    """

    load: Callable[[DataPlan], Images]
    shape: Callable[[DataPlan], tuple[tuple[int, int, int], int]]
    flips: bool
    count: Callable[[DataPlan], int] | None = None


def check_images(images: Images, name: str) -> Images:
    """Return ``images`` if they are as `Images` says.

    Raises:
        DataError: they are not; the message names the data set and every rule it breaks.
    """
    parts = (images.images, images.labels), (images.test_images, images.test_labels)
    one_size = images.images.shape[1:] == images.test_images.shape[1:]
    channels = images.images.shape[1] if images.images.ndim == 4 else 0
    statistics = len(images.means) == len(images.deviations) == channels and min(images.deviations) > 0
    wrong = []
    if not channels or not one_size or any(part.dtype != torch.uint8 for part, _ in parts):
        wrong.append("images and test_images must be uint8 [N, C, H, W] of one size")
    if any(_wrong_labels(labels, len(part), len(images.classes)) for part, labels in parts):
        wrong.append("labels and test_labels must be int64 [N], one an image, each a position in classes")
    if not statistics:
        wrong.append("means and deviations must hold one number a channel, the deviations above 0")
    if wrong:
        raise DataError(f"data set {name!r}: {'; '.join(wrong)}")
    return images


def _wrong_labels(labels: Tensor, images: int, classes: int) -> bool:
    if labels.dtype != torch.int64 or labels.shape != (images,) or images == 0:
        return True
    return int(labels.min()) < 0 or int(labels.max()) >= classes
