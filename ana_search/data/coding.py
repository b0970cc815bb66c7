"""What the network sees of a pixel: 8-bit integer codes with a dyadic scale, or a number in floating point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ana_search.plan import DataPlan

__all__ = ["InputCoding", "dyadic_coding", "float_coding", "make_coding", "pixel_coding"]

_LARGEST = 127  # of a signed 8-bit code without -128: zero-symmetric


@dataclass(frozen=True)
class InputCoding:
    """A table from pixel to input value, one row a channel.

    ``values`` is float32 [C, 256]. With 8-bit coding ``table`` holds the integer codes (int8 [C, 256])
    and ``scale`` the power of two they are multiplied by, so that ``values = table * scale``
    exactly; with floating-point input ``table`` is ``None``.
    """

    values: Tensor
    table: Tensor | None
    scale: float

    def __call__(self, images: Tensor) -> Tensor:
        """Return the input values of uint8 ``images`` [B, C, H, W], float32 of the same shape."""
        positions = images.int()
        channels = self.values.shape[0]
        if channels > 1:
            # One table behind the other: a single look-up for all channels.
            positions = positions + torch.arange(0, 256 * channels, 256, dtype=torch.int32, device=images.device).view(
                1, -1, 1, 1
            )
        return self.values.flatten().index_select(0, positions.flatten()).view(images.shape)

    def to(self, device: torch.device) -> "InputCoding":
        """Return the coding with its tables on ``device``."""
        table = None if self.table is None else self.table.to(device)
        return replace(self, values=self.values.to(device), table=table)


def make_coding(plan: DataPlan, means: Sequence[float], deviations: Sequence[float]) -> InputCoding:
    """Return the coding that the plan asks for; ``means`` and ``deviations`` are those of pixel / 255 by channel."""
    if plan.normalise == "pooled":
        means, deviations = pooled(means, deviations)
    if plan.input_bits == "float":
        return float_coding(means, deviations)
    if plan.input_coding == "pixels":
        return pixel_coding(deviations)
    return dyadic_coding(means, deviations)


def pooled(means: Sequence[float], deviations: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the mean and the deviation of all channels taken together, once for each channel.

    The variance of the whole is the mean of the channels' variances plus the variance of their means.
    """
    mean = sum(means) / len(means)
    squares = [one**2 + (other - mean) ** 2 for one, other in zip(deviations, means, strict=True)]
    deviation = math.sqrt(sum(squares) / len(squares))
    return [mean] * len(means), [deviation] * len(means)


def dyadic_coding(means: Sequence[float], deviations: Sequence[float]) -> InputCoding:
    """Return the 8-bit coding of pixels normalised to mean 0 and standard deviation 1 by channel.

    ``means`` and ``deviations`` are those of pixel / 255. The scale is the smallest power of two with which
    every normalised pixel fits into -127 .. 127; each is rounded to the next code.
    """
    normalised = _normalised(means, deviations)
    exponent = math.ceil(math.log2(float(normalised.abs().max()) / _LARGEST))
    codes = (normalised / 2.0**exponent).round().clamp(-_LARGEST, _LARGEST)
    return InputCoding((codes * 2.0**exponent).float(), codes.to(torch.int8), 2.0**exponent)


def pixel_coding(deviations: Sequence[float]) -> InputCoding:
    """Return the 8-bit coding that loses nothing: code = pixel - 128, the same for every channel.

    The scale is the power of two that brings the mean of the channels' standard deviations nearest to 1.
    """
    deviation = 255.0 * sum(deviations) / len(deviations)
    scale = 2.0 ** round(-math.log2(deviation))
    codes = torch.arange(-128, 128).expand(len(deviations), 256).contiguous()
    return InputCoding(codes.float() * scale, codes.to(torch.int8), scale)


def float_coding(means: Sequence[float], deviations: Sequence[float]) -> InputCoding:
    """Return the normalised pixels in floating point: for comparison, not for export."""
    return InputCoding(_normalised(means, deviations).float(), None, 1.0)


def _normalised(means: Sequence[float], deviations: Sequence[float]) -> Tensor:
    pixels = torch.arange(256, dtype=torch.float64) / 255.0
    mean, deviation = (torch.tensor(list(values), dtype=torch.float64)[:, None] for values in (means, deviations))
    return (pixels - mean) / deviation
