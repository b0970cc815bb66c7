"""Image files as uint8 tensors."""

import stat
import warnings
from pathlib import Path

import numpy as np
import psutil
import torch
from PIL import Image
from torch import Tensor

from ana_search.errors import DataError

__all__ = ["decode", "decode_one"]


_MOST_BYTES = 1 << 28  # of one file
_MOST_PIXELS = 4096 * 4096  # of one image: a decoded one takes up to four bytes each


def decode(files: list[Path]) -> Tensor:
    """Return the images as uint8 [N, C, H, W].

    Raises:
        DataError: a file that is no image, or one of another size or number of channels than the first, or more images
            than there is memory for.
    """
    first = decode_one(files[0])
    needed, free = len(files) * first.numel(), psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            f"data.root: {len(files):,} images of {size_of(first)} take {needed / 2**30:.1f} GiB of memory in "
            f"{files[0].parent.parent}; allowed: what is free, {free / 2**30:.1f} GiB"
        )
    images = torch.empty((len(files), *first.shape), dtype=torch.uint8)
    for position, file in enumerate(files):
        image = decode_one(file)
        if image.shape != first.shape:
            raise DataError(
                f"data.root: {file} is {size_of(image)}, but {files[0]} is {size_of(first)}; "
                "allowed: images of one size and one number of channels"
            )
        images[position] = image
    return images


def decode_one(file: Path) -> Tensor:
    """Return one image as uint8 [C, H, W]: one channel if the file is grey, else three (alpha is dropped).

    Raises:
        DataError: the file is not a regular one, too large, or no image.
    """
    try:
        _check_file(file)
        with warnings.catch_warnings():
            # Pillow warns of far larger images than are allowed here.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(file)
        with opened as image:
            if image.width * image.height > _MOST_PIXELS:
                raise DataError(
                    f"data.root: {file} has {image.width:,} x {image.height:,} pixels; allowed: at most "
                    f"{_MOST_PIXELS:,} pixels an image"
                )
            if image.mode in ("1", "L", "LA"):
                pixels = np.array(image.convert("L"))[:, :, None]
            elif image.mode.startswith("I;16"):
                pixels = (np.array(image).astype(np.uint16) >> 8).astype(np.uint8)[:, :, None]
            elif image.mode in ("I", "F"):
                raise DataError(f"data.root: {file} has 32 bits a pixel; allowed: 8 bits a channel, or 16 bits grey")
            else:
                # By way of RGBA: Pillow warns where a palette with transparency goes straight to RGB.
                pixels = np.array(image.convert("RGBA" if image.mode == "P" else "RGB"))[:, :, :3]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"data.root: {file} cannot be read as an image ({error})") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _check_file(file: Path) -> None:
    """Raise `DataError` for what may not be opened: a pipe would be waited for, a device has no end."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"data.root: {file} is no regular file; allowed: image files")
    if status.st_size > _MOST_BYTES:
        raise DataError(f"data.root: {file} has {status.st_size:,} bytes; allowed: at most {_MOST_BYTES:,} a file")


def size_of(image: Tensor) -> str:
    """Return the size of uint8 [C, H, W] in words."""
    channels, height, width = image.shape
    return f"{width} x {height} with {channels} channel{'s' if channels > 1 else ''}"
