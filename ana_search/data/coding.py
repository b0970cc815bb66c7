"""What the network sees of a pixel: 8-bit integer codes with a dyadic scale, or a number in floating point.

A coding is fitted once to the examples for search, and `InputStatistics` is all that it is fitted to: whoever keeps
these numbers can make the same coding again without the data.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ana_search.plan import Coding, DataPlan

__all__ = [
    "InputCoding",
    "InputStatistics",
    "Scaling",
    "dyadic_coding",
    "fitted_coding",
    "float_coding",
    "make_coding",
    "pixel_coding",
    "pooled",
    "statistics_of",
]

_LARGEST = 127  # of a signed 8-bit code without -128: zero-symmetric


@dataclass(frozen=True)
class Scaling:
    """How numbers of another type become pixels: ``pixel = round((number - low) / step)``, cut to 0 .. 255.

    One ``low`` and one ``step`` a channel, in the units of the numbers.
    """

    lows: tuple[float, ...]
    steps: tuple[float, ...]

    def __call__(self, numbers: Tensor) -> Tensor:
        """Return the uint8 pixels of floating-point ``numbers`` [B, C, ...]; NaN is for the caller to refuse."""
        shape = (1, -1, *[1] * (numbers.dim() - 2))
        lows, steps = (torch.tensor(each, dtype=torch.float64).view(shape) for each in (self.lows, self.steps))
        scaled = torch.addcmul((-lows / steps).float(), numbers.float(), (1.0 / steps).float())
        return scaled.round_().clamp_(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class InputStatistics:
    """What a coding is fitted to, one number a channel.

    ``means`` and ``deviations`` are those of pixel / 255, ``lows`` and ``highs`` the smallest and the largest pixel.
    ``scaling`` says how the pixels were made of numbers of another type, ``None`` for pixels as they are.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    lows: tuple[int, ...]
    highs: tuple[int, ...]
    scaling: Scaling | None = None

    @classmethod
    def of_pixels(cls, means: Sequence[float], deviations: Sequence[float]) -> "InputStatistics":
        """Return the statistics of channels whose pixels have the whole range of 0 .. 255."""
        count = len(means)
        return cls(tuple(means), tuple(deviations), (0,) * count, (255,) * count)


def statistics_of(counts: Tensor, scaling: Scaling | None = None) -> InputStatistics:
    """Return the statistics of channels from how often each has each pixel value, int64 [C, 256]."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    shares = counts / counts.sum(dim=1, keepdim=True).double()
    means = (shares * levels).sum(dim=1)
    variances = (shares * (levels - means[:, None]) ** 2).sum(dim=1)
    deviations = variances.sqrt().clamp_min(1 / 255)  # images of one colour have none
    there = [row.nonzero().flatten() for row in counts]
    return InputStatistics(
        means=tuple(means.tolist()),
        deviations=tuple(deviations.tolist()),
        lows=tuple(int(values[0]) for values in there),
        highs=tuple(int(values[-1]) for values in there),
        scaling=scaling,
    )


@dataclass(frozen=True)
class InputCoding:
    """A table from pixel to input value, one row a channel.

    ``values`` is float32 [C, 256]. With 8-bit coding ``table`` holds the integer codes (int8 [C, 256])
    and ``scale`` the power of two they are multiplied by, so that ``values = table * scale``
    exactly; with floating-point input ``table`` is ``None``. ``scaling`` says how the pixels were made, where they
    were numbers of another type before.
    """

    values: Tensor
    table: Tensor | None
    scale: float
    scaling: Scaling | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Return the input values of uint8 ``images`` [B, C, ...], float32 of the same shape."""
        positions = images.int()
        channels = self.values.shape[0]
        if channels > 1:
            # One table behind the other: a single look-up for all channels.
            offsets = torch.arange(0, 256 * channels, 256, dtype=torch.int32, device=images.device)
            positions = positions + offsets.view(1, -1, *[1] * (images.dim() - 2))
        return self.values.flatten().index_select(0, positions.flatten()).view(images.shape)

    def to(self, device: torch.device) -> "InputCoding":
        """Return the coding with its tables on ``device``."""
        table = None if self.table is None else self.table.to(device)
        return replace(self, values=self.values.to(device), table=table)


def make_coding(plan: DataPlan, statistics: InputStatistics, default: Coding = "normalised") -> InputCoding:
    """Return the coding that the plan asks for, or the data set's ``default``, fitted to ``statistics``."""
    means, deviations = statistics.means, statistics.deviations
    if plan.normalise == "pooled":
        means, deviations = (tuple(each) for each in pooled(means, deviations))
    kind = plan.input_coding or default
    if plan.input_bits == "float":
        coding = float_coding(means, deviations)
    elif kind == "pixels":
        coding = pixel_coding(deviations)
    elif kind == "fitted":
        coding = fitted_coding(statistics)
    else:
        coding = dyadic_coding(means, deviations)
    return replace(coding, scaling=statistics.scaling)


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
    every normalised pixel fits into -127 .. 127; each is rounded to the next code. Of the 256 codes a channel uses
    about half, since one scale holds for all of them.
    """
    normalised = _normalised(means, deviations)
    exponent = math.ceil(math.log2(float(normalised.abs().max()) / _LARGEST))
    codes = (normalised / 2.0**exponent).round().clamp(-_LARGEST, _LARGEST)
    return InputCoding((codes * 2.0**exponent).float(), codes.to(torch.int8), 2.0**exponent)


def fitted_coding(statistics: InputStatistics) -> InputCoding:
    """Return the 8-bit coding that stretches the range of every channel to all codes from -128 to 127.

    ``code = round((pixel - low) / (high - low) * 255) - 128``: a channel that has all pixel values loses none of them.
    The scale is the power of two that brings the mean of the channels' standard deviations nearest to 1.
    """
    lows, highs = (torch.tensor(each, dtype=torch.float64)[:, None] for each in (statistics.lows, statistics.highs))
    stretch = 255.0 / (highs - lows).clamp_min(1.0)
    pixels = torch.arange(256, dtype=torch.float64)
    codes = ((pixels - lows) * stretch).round().clamp(0, 255) - 128
    deviations = torch.tensor(statistics.deviations, dtype=torch.float64) * 255.0 * stretch.flatten()
    scale = 2.0 ** round(-math.log2(float(deviations.mean())))
    return InputCoding((codes * scale).float(), codes.to(torch.int8), scale)


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
