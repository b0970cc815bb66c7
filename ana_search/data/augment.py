"""Random crops and flips of a whole batch at once, on the device of the images."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

__all__ = ["MARGIN", "augment"]

MARGIN = 4
"""Pixels that an image may move by (He et al., CVPR 2016, section 4.2), but no more than an eighth of its side."""


def augment(
    images: Tensor,
    *,
    flips: bool,
    generator: torch.Generator,
    padding: Literal["reflect", "zeros"] = "reflect",
    crops: bool = True,
) -> Tensor:
    """Return uint8 ``images`` [B, C, H, W], each moved by up to `MARGIN` pixels and, with ``flips``, mirrored or not.

    Without ``crops`` none is moved. The border is filled by reflection, or with pixels of value 0 (black). The draws
    are made on the CPU, so that every device draws the same.
    """
    batch, channels, height, width = images.shape
    margins = [min(MARGIN, size // 8) if crops else 0 for size in (height, width)]
    draws = [torch.randint(-margin, margin + 1, (batch, 1), generator=generator) for margin in margins]
    if flips:
        draws.append(torch.randint(2, (batch, 1), generator=generator))
    # The draws alone are sent to a GPU, which is not waited for: so little is copied at once.
    down, right, *mirrored = torch.stack(draws).to(images.device, non_blocking=True)
    rows, columns = _moved(down, height), _moved(right, width)
    if mirrored:
        columns = torch.where(mirrored[0].bool(), columns.flip(1), columns)
    pixels = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)
    taken = images.flatten(2).gather(2, pixels[:, None, :].expand(batch, channels, height * width))
    if padding == "zeros":
        outside = _outside(down, height)[:, :, None] | _outside(right, width, mirrored)[:, None, :]
        taken = taken.masked_fill(outside.flatten(1)[:, None, :], 0)
    return taken.view(images.shape)


def _outside(shift: Tensor, size: int, mirrored: Sequence[Tensor] = ()) -> Tensor:
    """Return bool [batch, size]: whether a new pixel lies outside the old image along one axis."""
    place = torch.arange(size, device=shift.device) + shift
    outside = (place < 0) | (place >= size)
    return torch.where(mirrored[0].bool(), outside.flip(1), outside) if mirrored else outside


def _moved(shift: Tensor, size: int) -> Tensor:
    """Return int64 [batch, size]: for each image, where along one axis each of its new pixels comes from."""
    inside = (torch.arange(size, device=shift.device) + shift).abs()
    return (size - 1) - ((size - 1) - inside).abs()
