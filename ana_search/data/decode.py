"""Image files as uint8 tensors."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ana_search.errors import DataError

__all__ = ["decode", "decode_one"]


def decode(files: list[Path]) -> Tensor:
    """Return the images as uint8 [N, C, H, W].

    Raises:
        DataError: a file that is no image, or one of another size or number of channels than the first.
    """
    first = decode_one(files[0])
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
    """Return one image as uint8 [C, H, W]: one channel if the file is grey, else three (alpha is dropped)."""
    try:
        with Image.open(file) as image:
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


def size_of(image: Tensor) -> str:
    """Return the size of uint8 [C, H, W] in words."""
    channels, height, width = image.shape
    return f"{width} x {height} with {channels} channel{'s' if channels > 1 else ''}"
