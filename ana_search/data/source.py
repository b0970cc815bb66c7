"""What a data set's own file provides: images and labels, those for search and those for the final test."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ana_search.data.coding import InputStatistics
from ana_search.data.rows import MappedRows
from ana_search.errors import DataError
from ana_search.plan import Coding, DataPlan

__all__ = ["Examples", "Images", "Source", "check_images"]

Examples = Tensor | MappedRows
"""Examples in memory, or in files that are mapped into it: what is indexed gives uint8 tensors either way."""

_DIMENSIONS = (2, 3, 4, 5)  # of tables, signals, images and volumes, the examples' own included


@dataclass(frozen=True)
class Images:
    """Examples as they are: uint8 [N, ...], int64 labels [N], and the part kept for the final test.

    Images are [N, C, H, W], signals [N, C, T], tables [N, F]; the second dimension is that of the channels. A label is
    a position in ``classes``. ``means`` and ``deviations`` are those of pixel / 255 for each channel, over the examples
    for search; ``statistics`` hold them too, where the coding may be fitted to more than these.
    """

    images: Examples
    labels: Tensor
    test_images: Examples
    test_labels: Tensor
    classes: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    statistics: InputStatistics | None = None

    @classmethod
    def fitted(
        cls,
        images: Examples,
        labels: Tensor,
        test_images: Examples,
        test_labels: Tensor,
        classes: tuple[str, ...],
        statistics: InputStatistics,
    ) -> "Images":
        """Return examples with all that a coding can be fitted to."""
        means, deviations = statistics.means, statistics.deviations
        return cls(images, labels, test_images, test_labels, classes, means, deviations, statistics)

    def fit(self) -> InputStatistics:
        """Return what the coding is fitted to."""
        return self.statistics or InputStatistics.of_pixels(self.means, self.deviations)


@dataclass(frozen=True)
class Source:
    """How to get a data set: ``load`` reads the images, ``shape`` tells what they are like without them.

    ``shape`` returns (the shape of one example, number of classes). ``flips`` says whether a mirrored image
    still shows its class. ``count`` tells the number of images for search, where that is known without them.
    ``notes`` says, one line each, what a user should know of the data: what is left out, which part is the test's.
    ``coding`` is what the codes of the input are where a study does not say.
    """

    load: Callable[[DataPlan], Images]
    shape: Callable[[DataPlan], tuple[tuple[int, ...], int]]
    flips: bool
    count: Callable[[DataPlan], int] | None = None
    notes: Callable[[DataPlan], list[str]] | None = None
    coding: Coding = "normalised"


def check_images(images: Images, name: str) -> Images:
    """Return ``images`` if they are as `Images` says.

    Raises:
        DataError: they are not; the message names the data set and every rule it breaks.
    """
    parts = (images.images, images.labels), (images.test_images, images.test_labels)
    one_size = images.images.shape[1:] == images.test_images.shape[1:]
    channels = images.images.shape[1] if len(images.images.shape) in _DIMENSIONS else 0
    statistics = len(images.means) == len(images.deviations) == channels and min(images.deviations) > 0
    wrong = []
    if not channels or not one_size or any(part.dtype != torch.uint8 for part, _ in parts):
        wrong.append("images and test_images must be uint8 [N, C, H, W], [N, C, T] or [N, F], of one size")
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
