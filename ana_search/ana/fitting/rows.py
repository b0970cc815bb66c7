"""What a linear map reads and gives at some positions, as rows: the data of a least-squares fit."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ana_search.ana.layers import QuantMap

__all__ = ["input_rows", "output_rows", "spread"]

_LEAST, _MOST, _WORK = 4096, 16_384, 1 << 31
_MOST_NUMBERS = 1 << 26  # of all rows
_GOLDEN = (5**0.5 - 1) / 2


def output_rows(map_: QuantMap, outputs: Tensor) -> Tensor:
    """Return what a map gives at positions all over the examples, [rows, outputs]."""
    flat = _channels_last(map_, outputs)
    return flat[_chosen(map_, len(flat))]


def input_rows(map_: QuantMap, inputs: Tensor) -> Tensor:
    """Return the inputs from which a map computes these rows, [rows, groups, inputs of an output].

    The last dimension is ordered as ``weight[output].flatten()``. Borders are filled as the map fills them.
    """
    weight = map_.weight
    if weight.dim() == 2:
        flat = inputs.reshape(-1, inputs.shape[-1])
        return flat[_chosen(map_, len(flat))].unsqueeze(1)
    convolution: Any = map_  # of any dimension: PyTorch types each apart
    mode = convolution.padding_mode
    padding = convolution._reversed_padding_repeated_twice  # what PyTorch itself pads with, strings resolved
    padded = functional.pad(inputs, padding, mode="constant" if mode == "zeros" else mode)
    sizes = [
        (length - dilation * (kernel - 1) - 1) // stride + 1
        for length, kernel, stride, dilation in zip(
            padded.shape[2:], convolution.kernel_size, convolution.stride, convolution.dilation, strict=True
        )
    ]
    chosen = _chosen(map_, len(inputs) * math.prod(sizes)).to(inputs.device)
    example, *corner = torch.unravel_index(chosen, (len(inputs), *sizes))
    parts = []
    for offset in torch.cartesian_prod(*[torch.arange(size) for size in convolution.kernel_size]).reshape(
        -1, len(sizes)
    ):
        at = [
            place * stride + int(step) * dilation
            for place, step, stride, dilation in zip(
                corner, offset, convolution.stride, convolution.dilation, strict=True
            )
        ]
        parts.append(padded[(example, slice(None), *at)])
    read = torch.stack(parts, dim=2)  # [rows, inputs, places of the kernel]
    return read.reshape(len(read), convolution.groups, -1)


def _channels_last(map_: QuantMap, values: Tensor) -> Tensor:
    if map_.weight.dim() == 2:
        return values.reshape(-1, values.shape[-1])
    return values.movedim(1, -1).reshape(-1, values.shape[1])


def _chosen(map_: QuantMap, count: int) -> Tensor:
    """Return which of so many rows are taken: fewer of long ones, since the work grows with the length squared."""
    columns = max(1, map_.weight[0].numel())
    return spread(count, min(max(_LEAST, min(_MOST, _WORK // columns**2)), max(1, _MOST_NUMBERS // columns)))


def spread(count: int, most: int) -> Tensor:
    """Return all positions of so many, or ``most`` of them: one from each of as many equal parts.

    Its place in its part goes with the golden ratio. Evenly spaced ones would be the same few places of every image
    where the distance divides its size.
    """
    if count <= most:
        return torch.arange(count)
    number = torch.arange(most, dtype=torch.float64)
    place = (number * _GOLDEN).frac()
    return ((number + place) * (count / most)).long().clamp(max=count - 1)
