"""Sums with a shortcut on another grid than their quantiser's: a table of thresholds for every code of the shortcut."""

import torch
from torch import Tensor

from ana_search.export.freeze.shortcut import SideFunction
from ana_search.export.freeze.thresholds import decreasing_channels, find_thresholds
from ana_search.export.freeze.values import Codes, Pending

__all__ = ["side_table"]


def side_table(pending: Pending, side: Codes, code_of: SideFunction, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the thresholds for every code of the shortcut, int64 [C, S, n], and the decreasing channels, bool [C]."""
    channels, codes = len(pending.low), side.high - side.low + 1
    every = torch.arange(side.low, side.high + 1)

    def code_of_row(accumulators: Tensor) -> Tensor:
        """Codes of accumulators [C * S, P], where row c * S + s has the shortcut's code number s."""
        width = accumulators.shape[1]
        sides = every.repeat_interleave(width).expand(channels, -1)
        return code_of(accumulators.reshape(channels, -1), sides).reshape(channels * codes, width)

    low, high = (each.repeat_interleave(codes) for each in (pending.low, pending.high))
    decreasing = decreasing_channels(code_of_row, low, high).reshape(channels, codes).any(dim=1)
    found = find_thresholds(code_of_row, levels, low, high, decreasing.repeat_interleave(codes))
    return found.reshape(channels, codes, len(levels) - 1), decreasing
