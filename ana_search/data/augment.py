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
    draws = [_shifts(batch, height, generator), _shifts(batch, width, generator)]
    if flips:
        draws.append(torch.randint(2, (batch, 1), generator=generator))
    # The draws alone are sent to a GPU, which is not waited for: so little is copied at once.
    down, right, *mirrored = torch.stack(draws).to(images.device, non_blocking=True)
    rows, columns = _moved(down, height), _moved(right, width)
    if mirrored:
        columns = torch.where(mirrored[0].bool(), columns.flip(1), columns)
    pixels = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)
    taken = images.flatten(2).gather(2, pixels[:, None, :].expand(batch, channels, height * width))
    return taken.view(images.shape)


def _shifts(batch: int, size: int, generator: torch.Generator) -> Tensor:
    """Return int64 [batch, 1]: by how many pixels each image moves along an axis of this size."""
    margin = min(MARGIN, size // 4)
    return torch.randint(-margin, margin + 1, (batch, 1), generator=generator)


def _moved(shift: Tensor, size: int) -> Tensor:
    """Return int64 [batch, size]: for each image, where along one axis each of its new pixels comes from."""
    inside = (torch.arange(size, device=shift.device) + shift).abs()
    return (size - 1) - ((size - 1) - inside).abs()
