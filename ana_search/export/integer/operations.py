"""The operations of a frozen network: exact integer arithmetic, as small PyTorch modules.

Integers are carried in floating point (``float32``, or ``float64`` where an accumulator may exceed 2**24), which
holds them exactly: every result of an operation is the integer that the formula in its docstring gives,
in whatever order a runtime adds up. Channels are dimension 1 throughout.
"""

import math
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "Add",
    "Clamp",
    "Classifier",
    "Flatten",
    "GlobalSum",
    "InputTable",
    "IntegerMap",
    "MaxPool",
    "Multiply",
    "Operation",
    "PadChannels",
    "Reflect",
    "Rescale",
    "SideThresholds",
    "Subsample",
    "Thresholds",
    "WindowSum",
    "accumulator_range",
    "is_dyadic",
    "over_channels",
]

EXACT_FLOAT32 = 2**24
_SUMMED_COMPARISONS = 16
_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_MAX_POOLS = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}


def over_channels(values: Tensor, dimensions: int) -> Tensor:
    """Reshape a vector [C] so that it broadcasts over [N, C, ...] with ``dimensions`` dimensions."""
    return values.reshape(1, -1, *[1] * (dimensions - 2))


def _own(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a contiguous copy of ``values`` with memory of its own: no view of a larger tensor ends up in a file."""
    return values.detach().to(dtype).clone(memory_format=torch.contiguous_format)


class Operation(nn.Module):
    """One operation. ``kind`` is the name of the method that writes it in every format's writer."""

    kind: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


class InputTable(Operation):
    """Look pixels up: uint8 [N, C, H, W] → codes [N, C, H, W]; ``table`` is int8 [C, 256]."""

    table: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", _own(table, torch.int8))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the codes as integers in ``float32``."""
        channel = over_channels(torch.arange(self.table.shape[0], device=pixels.device), pixels.dim())
        return self.table[channel, pixels.long()].to(torch.float32)


class IntegerMap(Operation):
    """A linear map or convolution with integer weights; padding is the integer 0.

    ``weight`` is int8 [out, in] (linear) or [out, in / groups, *kernel]; ``limit`` bounds the magnitude of every
    accumulator and partial sum.
    """

    weight: Tensor

    def __init__(
        self,
        weight: Tensor,
        limit: int,
        *,
        stride: Sequence[int] = (),
        padding: Sequence[int] = (),
        dilation: Sequence[int] = (),
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", _own(weight, torch.int8))
        self.limit = limit
        self.dimensions = weight.dim() - 2
        self.stride, self.padding, self.dilation = tuple(stride), tuple(padding), tuple(dilation)
        self.groups = groups

    @property
    def onnx_attributes(self) -> dict[str, Any]:
        """The attributes of ONNX's ``Conv`` and its kin; empty for a linear map."""
        if self.dimensions == 0:
            return {}
        return {
            "strides": self.stride,
            "pads": self.padding * 2,
            "dilations": self.dilation,
            "group": self.groups,
        }

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type that holds every accumulator exactly."""
        return torch.float32 if self.limit <= EXACT_FLOAT32 else torch.float64

    def forward(self, codes: Tensor) -> Tensor:
        """Return the integer accumulators [N, out, ...]."""
        inputs, weight = codes.to(self.dtype), self.weight.to(self.dtype)
        if self.dimensions == 0:
            return functional.linear(inputs, weight)
        convolve = _CONVOLUTIONS[self.dimensions]
        return convolve(inputs, weight, None, self.stride, self.padding, self.dilation, self.groups)


class Thresholds(Operation):
    """Compare with thresholds: ``levels[number of k with x >= thresholds[channel, k]]``.

    ``thresholds`` is int64 [C, n], each row ascending; ``levels`` is int64 [n + 1], ascending.
    """

    thresholds: Tensor
    levels: Tensor

    def __init__(self, thresholds: Tensor, levels: Tensor) -> None:
        super().__init__()
        self.register_buffer("thresholds", _own(thresholds, torch.int64))
        self.register_buffer("levels", _own(levels, torch.int64))

    def forward(self, integers: Tensor) -> Tensor:
        """Return the codes, in ``float32`` and in the shape of ``integers``."""
        thresholds = self.thresholds.to(integers.dtype)
        count = thresholds.shape[1]
        if count <= _SUMMED_COMPARISONS:
            reached = torch.zeros_like(integers, dtype=torch.int64)
            for index in range(count):
                reached = reached + (integers >= over_channels(thresholds[:, index], integers.dim()))
        else:
            by_channel = integers.transpose(0, 1).flatten(1).contiguous()
            found = torch.searchsorted(thresholds, by_channel, right=True)
            others = [integers.shape[0], *integers.shape[2:]]
            reached = found.reshape(thresholds.shape[0], *others).transpose(0, 1)
        return self.levels[reached].to(torch.float32)


class SideThresholds(Operation):
    """`Thresholds` that depend on the code of a second input (a shortcut) at the same place.

    ``thresholds`` is int64 [C, S, n]; the second input's codes are ``side_low`` ... ``side_low + S - 1``.
    """

    thresholds: Tensor
    levels: Tensor

    def __init__(self, thresholds: Tensor, levels: Tensor, side_low: int) -> None:
        super().__init__()
        self.register_buffer("thresholds", _own(thresholds, torch.int64))
        self.register_buffer("levels", _own(levels, torch.int64))
        self.side_low = side_low

    def forward(self, integers: Tensor, side: Tensor) -> Tensor:
        """Return the codes, in ``float32`` and in the shape of ``integers``."""
        channels, codes, count = self.thresholds.shape
        channel = over_channels(torch.arange(channels, device=integers.device), integers.dim())
        row = channel * codes + (side.long() - self.side_low)
        table = self.thresholds.reshape(channels * codes, count).to(integers.dtype)
        reached = torch.zeros_like(row)
        for index in range(count):
            reached = reached + (integers >= table[row, index])
        return self.levels[reached].to(torch.float32)


class Reflect(Operation):
    """``total - x`` in the channels of ``mask`` (bool [C]), ``x`` in the others."""

    mask: Tensor

    def __init__(self, mask: Tensor, total: int) -> None:
        super().__init__()
        self.register_buffer("mask", _own(mask, torch.bool))
        self.total = total

    def forward(self, codes: Tensor) -> Tensor:
        """Return the codes, reflected where asked."""
        return torch.where(over_channels(self.mask, codes.dim()), self.total - codes, codes)


class MaxPool(Operation):
    """Max-pooling of integers."""

    def __init__(
        self,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        ceil_mode: bool,
    ) -> None:
        super().__init__()
        self.kernel, self.stride = tuple(kernel), tuple(stride)
        self.padding, self.dilation, self.ceil_mode = tuple(padding), tuple(dilation), ceil_mode

    @property
    def onnx_attributes(self) -> dict[str, Any]:
        """The attributes of ONNX's ``MaxPool``."""
        return {
            "kernel_shape": self.kernel,
            "strides": self.stride,
            "pads": self.padding * 2,
            "dilations": self.dilation,
            "ceil_mode": int(self.ceil_mode),
        }

    def forward(self, codes: Tensor) -> Tensor:
        """Return the largest code of every window."""
        pool = _MAX_POOLS[len(self.kernel)]
        return pool(codes, self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode)


class Add(Operation):
    """``left_factor * left + right_factor * right``, with integer factors."""

    def __init__(self, left_factor: int, right_factor: int) -> None:
        super().__init__()
        self.left_factor, self.right_factor = left_factor, right_factor

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the weighted sum."""
        return self.left_factor * left + self.right_factor * right


class Multiply(Operation):
    """The product of two small integers."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the product."""
        return left * right


class Clamp(Operation):
    """The integer nearest to ``x`` in [``low``, ``high``]."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, integers: Tensor) -> Tensor:
        """Return the clamped integers."""
        return integers.clamp(self.low, self.high)


class GlobalSum(Operation):
    """The sum over all positions: [N, C, ...] → [N, C, 1, ...] (``keep``) or [N, C]."""

    def __init__(self, keep: bool) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, codes: Tensor) -> Tensor:
        """Return the sums."""
        return codes.sum(dim=tuple(range(2, codes.dim())), keepdim=self.keep)


class WindowSum(Operation):
    """The sum over every window of each channel; padding is the integer 0."""

    def __init__(self, channels: int, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> None:
        super().__init__()
        self.channels, self.kernel = channels, tuple(kernel)
        self.stride, self.padding = tuple(stride), tuple(padding)

    def as_map(self, limit: int) -> IntegerMap:
        """Return the convolution of each channel with ones that gives the same sums, of at most ``limit``."""
        ones = torch.ones(self.channels, 1, *self.kernel)
        return IntegerMap(
            ones,
            limit,
            stride=self.stride,
            padding=self.padding,
            dilation=(1,) * len(self.kernel),
            groups=self.channels,
        )

    def forward(self, codes: Tensor) -> Tensor:
        """Return the sums [N, C, ...]."""
        ones = torch.ones(self.channels, 1, *self.kernel, dtype=codes.dtype)
        convolve = _CONVOLUTIONS[len(self.kernel)]
        return convolve(codes, ones, None, self.stride, self.padding, 1, self.channels)


class Subsample(Operation):
    """Every ``step``-th row and column: ``x[:, :, ::step, ::step]``."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, codes: Tensor) -> Tensor:
        """Return the positions kept."""
        return codes[:, :, :: self.step, :: self.step]


class PadChannels(Operation):
    """Append ``before`` and ``after`` channels of zeros."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before, self.after = before, after

    def forward(self, codes: Tensor) -> Tensor:
        """Return the padded codes."""
        return functional.pad(codes, (0, 0) * (codes.dim() - 2) + (self.before, self.after))


class Flatten(Operation):
    """[N, C, ...] → [N, everything else], channels outermost."""

    def forward(self, codes: Tensor) -> Tensor:
        """Return the flat codes."""
        return codes.flatten(1)


class Rescale(Operation):
    """Real numbers from integers: ``scale * x + offset`` by channel, in ``float64``, returned as ``float32``."""

    scale: Tensor
    offset: Tensor

    def __init__(self, scale: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", _own(scale, torch.float64))
        self.register_buffer("offset", _own(offset, torch.float64))

    def forward(self, integers: Tensor) -> Tensor:
        """Return ``float32`` numbers in the shape of ``integers``."""
        scale, offset = (over_channels(each, integers.dim()) for each in (self.scale, self.offset))
        return (integers.to(torch.float64) * scale + offset).to(torch.float32)


class Classifier(Operation):
    """The floating-point last layer: ``scale * (x @ weight.T) + bias`` in ``float64``, returned as ``float32``.

    ``weight`` is float32 [classes, features], ``bias`` float32 [classes]. In ``float64`` the order in which a runtime
    adds up moves a logit by about 1e-14, so that no prediction depends on it.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None, scale: float) -> None:
        super().__init__()
        self.register_buffer("weight", _own(weight, torch.float32))
        self.register_buffer("bias", _own(torch.zeros(weight.shape[0]) if bias is None else bias, torch.float32))
        self.scale = scale

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits [N, classes]."""
        real = codes.to(torch.float64) * self.scale
        return functional.linear(real, self.weight.double(), self.bias.double()).to(torch.float32)


def accumulator_range(weight: Tensor, low: int, high: int) -> tuple[Tensor, Tensor]:
    """Return the least and greatest accumulator of every output channel, int64 [out] each.

    The inputs are any integers in [``low``, ``high``], or the 0 of padding.
    """
    low, high = min(low, 0), max(high, 0)
    flat = weight.to(torch.int64).flatten(1)
    positive, negative = flat.clamp(min=0).sum(1), flat.clamp(max=0).sum(1)
    return positive * low + negative * high, positive * high + negative * low


def is_dyadic(value: float) -> bool:
    """Return whether ``value`` is a positive power of two times a small integer, as every exact scale must be."""
    mantissa, _ = math.frexp(value)
    return value > 0 and mantissa * 2**12 == int(mantissa * 2**12)
