"""Image files as uint8 tensors: every mode that has an 8-bit picture, turned as its camera was held, of one size."""

import stat
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import psutil
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ana_search.errors import DataError
from ana_search.plan import Crop, DataPlan

__all__ = ["FULL_GREY", "Form", "decode", "decode_one", "grey_range", "size_of"]


_MOST_BYTES = 1 << 28  # of one file
_MOST_PIXELS = 4096 * 4096  # of one image: a decoded one takes up to four bytes each
_GREY = ("1", "L", "LA", "La")
_LARGEST_GREY = (1 << 16) - 1  # of 16 bits
FULL_GREY = (0, _LARGEST_GREY)
"""The range of 16 bits of grey, for an image that is looked at alone."""
_SCALED = Image.Resampling.BILINEAR  # Pillow's averages over all pixels that a smaller image has one for


@dataclass(frozen=True)
class Form:
    """What all images are brought to; ``None`` leaves a property as it is in the file.

    ``size`` is (height, width), ``grey`` the range of 16-bit grey values that becomes 0 .. 255 (``None``: no image
    may have 16 bits).
    """

    size: tuple[int, int] | None = None
    crop: Crop = "centre"
    channels: Literal[1, 3] | None = None
    grey: tuple[int, int] | None = None

    @classmethod
    def of(cls, plan: DataPlan, grey: tuple[int, int] | None) -> "Form":
        """Return the form that a plan asks for."""
        return cls(plan.size, plan.crop, plan.channels, grey)


def decode(files: Sequence[Path], form: Form | None = None) -> Tensor:
    """Return the images as uint8 [N, C, H, W].

    Raises:
        DataError: a file that is no image, or one of another size or number of channels than the first, or more images
            than there is memory for.
    """
    form = form or Form()
    first = decode_one(files[0], form)
    needed, free = len(files) * first.numel(), psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            f"data.root: {len(files):,} images of {size_of(first)} take {needed / 2**30:.1f} GiB of memory in "
            f"{files[0].parent.parent}; allowed: what is free, {free / 2**30:.1f} GiB (a smaller data.size, or the "
            'images as an array in a .npy file, which may be larger than the memory: name = "arrays")'
        )
    images = torch.empty((len(files), *first.shape), dtype=torch.uint8)
    for position, file in enumerate(files):
        image = decode_one(file, form)
        if image.shape != first.shape:
            key = "data.size = [H, W]" if image.shape[1:] != first.shape[1:] else "data.channels = 1 or 3"
            raise DataError(
                f"data.root: {file} is {size_of(image)}, but {files[0]} is {size_of(first)}; "
                f"allowed: images of one size and one number of channels, or {key}, which brings all to the same"
            )
        images[position] = image
    return images


def decode_one(file: Path, form: Form | None = None) -> Tensor:
    """Return one image as uint8 [C, H, W], upright and in the form asked for.

    Without a number of channels it has one if the file is grey, else three; transparency is dropped.

    Raises:
        DataError: the file is not a regular one, too large, no image, or of more than 8 bits a colour.
    """
    form = form or Form(grey=FULL_GREY)
    image = _as_asked(_open(file, form.grey), form)
    pixels = np.array(image)
    return torch.from_numpy(pixels[:, :, None] if pixels.ndim == 2 else pixels).permute(2, 0, 1)


def grey_range(files: Sequence[Path]) -> tuple[int, int] | None:
    """Return the smallest and the largest value of files of 16 bits of grey; ``None`` if the first is none.

    Raises `DataError` where a later one is none: nothing says how their values compare.
    """
    low, high = _LARGEST_GREY, 0
    for file in files:
        values = _deep_grey(file)
        if values is None:
            if file == files[0]:
                return None
            raise _mixed(files[0], file)
        low, high = min(low, int(values.min())), max(high, int(values.max()))
    return low, max(high, low + 1)


def _mixed(deep: Path, other: Path) -> DataError:
    return DataError(f"data.root: {deep} has 16 bits of grey, {other} has not; allowed: images of one kind")


def _deep_grey(file: Path) -> npt.NDArray[np.int64] | None:
    """Return the values of a 16-bit grey image, ``None`` for any other; of others only the header is read."""
    with _opened(file) as image:
        return _grey_values(image, file) if image.mode.startswith("I") else None


def _open(file: Path, grey: tuple[int, int] | None) -> Image.Image:
    """Return the image of a file in mode L or RGB, upright."""
    with _opened(file) as opened:
        try:
            image = _upright(opened)
            if image.mode.startswith("I"):
                if grey is None:
                    raise DataError(f"data.root: {file} has 16 bits of grey, others have not; allowed: one kind")
                low, high = grey
                scaled = (_grey_values(image, file) - low) * (255.0 / (high - low))
                return Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8))
            if image.mode in _GREY:
                return image.convert("L")
            # By way of RGBA: Pillow warns where a palette with transparency goes straight to RGB.
            return image.convert("RGBA").convert("RGB") if image.mode == "P" else image.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"data.root: {file} cannot be read as an image ({error})") from error


def _upright(image: Image.Image) -> Image.Image:
    """Return an image, loaded, turned as its EXIF data say that the camera was held; as it is if they are damaged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged EXIF data
        image.load()
        try:
            return ImageOps.exif_transpose(image)
        except Exception:  # the parser of EXIF data raises whatever it stumbles on
            return image


def _opened(file: Path) -> Image.Image:
    """Return an opened image of which only the header has been read. Raises `DataError` as `decode_one`."""
    try:
        _check_file(file)
        with warnings.catch_warnings():
            # Pillow warns of far larger images than are allowed here, and of damaged EXIF data.
            warnings.simplefilter("ignore")
            image = Image.open(file)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"data.root: {file} cannot be read as an image ({error})") from error
    problem = _problem(image)
    if problem is not None:
        image.close()
        raise DataError(f"data.root: {file} has {problem}")
    return image


def _problem(image: Image.Image) -> str | None:
    """Return what is wrong with an image by its header, ``None`` for nothing."""
    if image.width * image.height > _MOST_PIXELS:
        size = f"{image.width:,} x {image.height:,} pixels"
        return f"{size}; allowed: at most {_MOST_PIXELS:,} pixels an image"
    raw = " ".join(str(part) for tile in getattr(image, "tile", ()) for part in tile[3:])
    if image.mode == "F" or (";16" in raw and not image.mode.startswith("I")):
        depth = "32 bits a pixel" if image.mode == "F" else "16 bits a channel"
        return f"{depth}; allowed: 8 bits a channel, or 16 bits of grey alone"
    return None


def _grey_values(image: Image.Image, file: Path) -> npt.NDArray[np.int64]:
    try:
        values = np.array(image).astype(np.int64)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"data.root: {file} cannot be read as an image ({error})") from error
    if not values.size or values.min() < 0 or values.max() > _LARGEST_GREY:
        raise DataError(f"data.root: {file} has 32 bits a pixel; allowed: 8 bits a channel, or 16 bits of grey alone")
    return values


def _as_asked(image: Image.Image, form: Form) -> Image.Image:
    """Return the image with the channels and of the size asked for."""
    mode = {1: "L", 3: "RGB", None: image.mode}[form.channels]
    if image.mode != mode:
        image = image.convert(mode)
    if form.size is None:
        return image
    size = form.size[1], form.size[0]
    if form.crop == "centre":
        return ImageOps.fit(image, size, _SCALED)
    if form.crop == "pad":
        return ImageOps.pad(image, size, _SCALED)
    return image if image.size == size else image.resize(size, _SCALED)


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
