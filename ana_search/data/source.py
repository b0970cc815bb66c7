"""What a data set's own file provides: images and labels, those for search and those for the final test."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ana_search.plan import DataPlan

__all__ = ["Images", "Source"]


@dataclass(frozen=True)
class Images:
    """Images as they are: uint8 [N, C, H, W], int64 labels [N], and the part kept for the final test.

    ``means`` and ``deviations`` are those of pixel / 255 for each channel, over the images for search.
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
    still shows its class.
    """

    load: Callable[[DataPlan], Images]
    shape: Callable[[DataPlan], tuple[tuple[int, int, int], int]]
    flips: bool
