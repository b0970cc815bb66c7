"""Integer thresholds, found by evaluating the trained functions themselves.

Folding a batch norm algebraically (solving for the accumulator) rounds differently from the network and is wrong
where an accumulator lands on a threshold. Here the trained modules decide: they are evaluated on integer accumulators
times their scale, as in the evaluated network, and every jump is found by bisection. The functions are monotonic in
each channel (products and sums with constants are, rounding included), so that bisection finds the only jump.
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["CodeFunction", "decreasing_channels", "find_thresholds"]

CodeFunction = Callable[[Tensor], Tensor]
"""The codes (int64 [C, P]) that the trained modules give for accumulators (int64 [C, P]), row c in channel c."""


def decreasing_channels(code_of: CodeFunction, low: Tensor, high: Tensor) -> Tensor:
    """Return bool [C]: where the code falls as the accumulator rises from ``low`` [C] to ``high`` [C]."""
    ends = code_of(torch.stack([low, high], dim=1))
    return ends[:, 0] > ends[:, 1]


def find_thresholds(code_of: CodeFunction, levels: Tensor, low: Tensor, high: Tensor, decreasing: Tensor) -> Tensor:
    """Return int64 [C, n]: for each channel and level k >= 1 the least accumulator that reaches level k.

    In channels of ``decreasing`` the accumulator is counted negated (its weights will be). A level that is reached
    everywhere has the least accumulator as its threshold, one that is never reached the greatest plus 1.
    """
    sign = torch.where(decreasing, -1, 1).unsqueeze(1)
    least = torch.where(decreasing, -high, low).unsqueeze(1).expand(-1, len(levels) - 1)
    greatest = torch.where(decreasing, -low, high).unsqueeze(1).expand(-1, len(levels) - 1)
    left, right = least.clone(), greatest + 1
    while bool((left < right).any()):
        middle = torch.div(left + right, 2, rounding_mode="floor")
        reached = code_of(sign * middle.minimum(greatest)) >= levels[1:]
        right = torch.where(reached & (left < right), middle, right)
        left = torch.where(reached | (left >= right), left, middle + 1)
    return left
