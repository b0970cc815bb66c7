"""A data set: its examples in memory or in mapped files, its labels, its three parts, the coding of its pixels."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ana_search.data.coding import InputCoding
from ana_search.data.source import Examples

__all__ = ["Dataset", "Part"]

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Dataset:
    """Examples and labels with a fixed split.

    ``images`` is uint8 [N, C, H, W], [N, C, T] or [N, F], ``labels`` int64 [N]; ``train``, ``validation`` and ``test``
    are int64 positions of images, without overlap. Search sees train and validation; only `confirm` touches test.
    """

    name: str
    images: Examples
    labels: Tensor
    train: Tensor
    validation: Tensor
    test: Tensor
    classes: tuple[str, ...]
    coding: InputCoding
    flips: bool

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example: channels, height and width of an image."""
        return tuple(self.images.shape[1:])

    def to(self, device: torch.device) -> "Dataset":
        """Return the data set with all its tensors on ``device``."""
        tensors = ("images", "labels", "train", "validation", "test")
        moved = {name: getattr(self, name).to(device) for name in tensors}
        return replace(self, coding=self.coding.to(device), **moved)

    def encode(self, images: Tensor) -> Tensor:
        """Return what the network sees of uint8 ``images`` [B, C, ...]: float32 of the same shape."""
        return self.coding(images)

    def batches(self, part: Part, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (uint8 images, labels) of one part in its fixed order; the last batch may be smaller."""
        positions: Tensor = getattr(self, part)
        for start in range(0, len(positions), batch_size):
            chosen = positions[start : start + batch_size]
            yield self.images[chosen], self.labels[chosen]
