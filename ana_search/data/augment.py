"""Random crops and flips of a whole batch at once, on the device of the images."""

import torch
from torch import Tensor

__all__ = ["MARGIN", "augment"]

MARGIN = 4
"""Pixels that an image may move by (He et al., CVPR 2016, section 4.2), but no more than a quarter of its side."""


def augment(images: Tensor, *, flips: bool, generator: torch.Generator) -> Tensor:
    """Return uint8 ``images`` [B, C, H, W], each moved by up to `MARGIN` pixels and, with ``flips``, mirrored or not.

    The border is filled by reflection. ``generator`` is on the CPU, so that every device draws the same.
    """
    batch, channels, height, width = images.shape
    rows = _moved(batch, height, generator)
    columns = _moved(batch, width, generator)
    if flips:
        mirrored = torch.randint(2, (batch, 1), generator=generator).bool()
        columns = torch.where(mirrored, columns.flip(1), columns)
    pixels = (rows[:, :, None] * width + columns[:, None, :]).flatten(1).to(images.device)
    taken = images.flatten(2).gather(2, pixels[:, None, :].expand(batch, channels, height * width))
    return taken.view(images.shape)


def _moved(batch: int, size: int, generator: torch.Generator) -> Tensor:
    """Return int64 [batch, size]: for each image, where along one axis each of its new pixels comes from."""
    margin = min(MARGIN, size // 4)
    shift = torch.randint(-margin, margin + 1, (batch, 1), generator=generator)
    inside = (torch.arange(size) + shift).abs()
    return (size - 1) - ((size - 1) - inside).abs()
