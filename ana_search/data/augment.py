"""Random crops and flips of a whole batch at once, on the device of the images."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["augment"]

_MARGIN = 4  # pixels that an image may move by (He et al., CVPR 2016, section 4.2)


def augment(images: Tensor, *, flips: bool, generator: torch.Generator) -> Tensor:
    """Return uint8 ``images`` [B, C, H, W], each moved by up to 4 pixels and, with ``flips``, mirrored or not.

    The border is filled by reflection. ``generator`` is on the CPU, so that every device draws the same.
    """
    batch, _, height, width = images.shape
    margin = min(_MARGIN, height // 4, width // 4)
    # Reflection is not defined for uint8: half precision holds all of 0..255 exactly.
    padded = functional.pad(images.half(), (margin,) * 4, mode="reflect").to(torch.uint8)
    down = torch.randint(2 * margin + 1, (batch, 1), generator=generator)
    across = torch.randint(2 * margin + 1, (batch, 1), generator=generator)
    columns = torch.arange(width).expand(batch, width)
    if flips:
        mirrored = torch.randint(2, (batch, 1), generator=generator).bool()
        columns = torch.where(mirrored, width - 1 - columns, columns)
    rows = (torch.arange(height) + down).to(images.device)
    columns = (columns + across).to(images.device)
    each = torch.arange(batch, device=images.device)
    moved = padded.permute(0, 2, 3, 1)[each[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2).contiguous()
