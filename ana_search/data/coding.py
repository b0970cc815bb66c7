"""What the network sees of a pixel: 8-bit dyadic, zero-symmetric integer codes."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["InputCoding", "dyadic_coding", "float_coding"]

_LARGEST = 127  # of a signed 8-bit code without -128: zero-symmetric


@dataclass(frozen=True)
class InputCoding:
    """A table from pixel to input value, one row a channel.

    ``values`` is float32 [C, 256]. With 8-bit coding ``table`` holds the integer codes (int8 [C, 256], from
    -127 to 127) and ``scale`` the power of two they are multiplied by, so that ``values = table * scale``
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


def dyadic_coding(means: list[float], deviations: list[float]) -> InputCoding:
    """Return the 8-bit coding of pixels normalised to mean 0 and standard deviation 1 by channel.

    ``means`` and ``deviations`` are those of pixel / 255. The scale is the smallest power of two with which
    every normalised pixel fits into -127 .. 127; each is rounded to the next code.
    """
    normalised = _normalised(means, deviations)
    exponent = math.ceil(math.log2(float(normalised.abs().max()) / _LARGEST))
    codes = (normalised / 2.0**exponent).round().clamp(-_LARGEST, _LARGEST)
    return InputCoding((codes * 2.0**exponent).float(), codes.to(torch.int8), 2.0**exponent)


def float_coding(means: list[float], deviations: list[float]) -> InputCoding:
    """Return the normalised pixels in floating point: for comparison, not for export."""
    return InputCoding(_normalised(means, deviations).float(), None, 1.0)


def _normalised(means: list[float], deviations: list[float]) -> Tensor:
    pixels = torch.arange(256, dtype=torch.float64) / 255.0
    mean, deviation = (torch.tensor(values, dtype=torch.float64)[:, None] for values in (means, deviations))
    return (pixels - mean) / deviation
