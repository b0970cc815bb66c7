"""What training may do to its images, by name: several names are joined by ``+`` in a study file.

A batch is changed at once, on the device of its images. All draws come from one generator on the CPU, so that every
device draws the same and a resumed run goes on with the same draws.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms import v2

from ana_search.data.augment import augment
from ana_search.errors import DataError

__all__ = ["AUGMENTATIONS", "changed", "check_augmentations", "mixed", "names_of"]

AUGMENTATIONS = ("none", "crop", "flip", "trivial_augment", "cutout", "mixup")

_MIXED = 0.2  # the parameter of mixup's beta distribution (Zhang et al., ICLR 2018, section 3.1)
_BINS = 31  # of the strength of an operation (Mueller and Hutter, ICCV 2021, section 3)
_GROUPS = 16  # parts of a batch, each of which has an operation of its own


def names_of(text: str) -> tuple[str, ...]:
    """Return the augmentations that ``text`` names, joined by ``+``; none for ``"none"``."""
    return () if text == "none" else tuple(text.split("+"))


def check_augmentations(names: tuple[str, ...], shape: tuple[int, ...]) -> None:
    """Raise `DataError` where examples of this shape cannot be changed so: only mixup takes what is no image."""
    wanted = [name for name in names if name != "mixup"]
    if wanted and len(shape) != 3:
        raise DataError(
            f"data.augment: got {'+'.join(names)!r} for examples of shape {list(shape)}; allowed: none, mixup"
        )
    if "trivial_augment" in names and shape[0] not in (1, 3):
        raise DataError(
            f"data.augment: got 'trivial_augment' for images of {shape[0]} channels; allowed: with 1 or 3 channels"
        )


def changed(
    images: Tensor,
    names: tuple[str, ...],
    *,
    flips: bool,
    generator: torch.Generator,
    padding: Literal["reflect", "zeros"] = "reflect",
) -> Tensor:
    """Return uint8 ``images`` [B, C, H, W] under all of ``names`` but mixup, in the order of `AUGMENTATIONS`.

    ``flip`` mirrors only where ``flips`` says that a mirrored image is of the same class.
    """
    mirrors = flips and "flip" in names
    if "crop" in names or mirrors:
        images = augment(images, flips=mirrors, generator=generator, padding=padding, crops="crop" in names)
    if "trivial_augment" in names:
        images = _trivial(images, generator)
    if "cutout" in names:
        images = _cut_out(images, generator)
    return images


def mixed(inputs: Tensor, labels: Tensor, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return float ``inputs`` [B, ...] mixed in pairs, all in one proportion, and their labels, float [B, classes]."""
    with _drawing(generator):
        both: tuple[Tensor, Tensor] = v2.MixUp(alpha=_MIXED, num_classes=classes)(inputs, labels)
    return both


def _trivial(images: Tensor, generator: torch.Generator) -> Tensor:
    """Apply one operation of RandAugment's, drawn with its strength, to each part of the batch (TrivialAugment).

    Shifts are fractions of the side, so that small images keep what they show.
    """
    parts = []
    with _drawing(generator):
        for part in images.chunk(_GROUPS):
            strength = int(torch.randint(_BINS, ()))
            parts.append(v2.RandAugment(num_ops=1, magnitude=strength, num_magnitude_bins=_BINS)(part))
    return torch.cat(parts)


def _cut_out(images: Tensor, generator: torch.Generator) -> Tensor:
    """Fill a square of half the side, about a random pixel of each image, with the image's mean colour.

    As DeVries and Taylor 2017 (arXiv 1708.04552), section 3.2: the square may reach beyond the border.
    """
    batch, _, height, width = images.shape
    centres = [torch.randint(size, (batch, 1), generator=generator) for size in (height, width)]
    middle, centre = torch.stack(centres).to(images.device, non_blocking=True)
    rows = _near(middle, height)[:, None, :, None]
    columns = _near(centre, width)[:, None, None, :]
    mean = images.float().mean(dim=(2, 3), keepdim=True).round().to(images.dtype)
    return torch.where(rows & columns, mean, images)


def _near(centre: Tensor, size: int) -> Tensor:
    """Return bool [batch, size]: which pixels along an axis are in the square about ``centre``, int64 [batch, 1]."""
    half = max(1, size // 4)
    place = torch.arange(size, device=centre.device)
    return (place >= centre - half) & (place < centre + half)


@contextmanager
def _drawing(generator: torch.Generator) -> Iterator[None]:
    """Let what draws from torch's own CPU generator draw from a seed of ``generator``, and put it back after."""
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        yield
