"""The rectified straight-through estimator."""

from torch import Tensor

from ana_search.ana.methods.base import EXACT_FORWARD, Method, StraightThrough, around_threshold, at_most
from ana_search.ana.stairs import StairFunction

__all__ = ["RESTE", "reste_slope"]

O_END = 3.0
INNER, OUTER = 0.1, 1.5


def reste_slope(x: Tensor, stair: StairFunction, time: Tensor) -> Tensor:
    """Return the derivative of the power function ``f(u) = sign(u) |u|**(1 / o)``, rectified at both ends.

    ``f'(u) = |u|**((1 - o) / o) / o`` for ``0.1 <= |u| <= 1.5``; nearer to 0, where it has no bound, the slope of the
    chord, ``0.1**(1 / o) / 0.1``; further out 0. ``o`` rises from 1, the identity, to 3; for larger ones ``f`` tends to
    the sign. ``u`` is the distance from the nearest threshold in half steps: ``x`` itself for the sign function.

    Source: Wu, Zheng, Liu and Zheng, ICCV 2023, equations 7 to 10.
    """
    o = (1.0 + (O_END - 1.0) * time.double().clamp(0.0, 1.0)).to(x.dtype)
    distance = around_threshold(x, stair).abs_()
    # A power by way of logarithms of base 2, and conditions as factors, cost a fraction of PyTorch's powers and masks.
    slope = distance.clamp(min=INNER).log2_().mul_((1.0 - o) / o).exp2_()
    chord = at_most(distance, INNER).mul_(o - 1.0).add_(1.0)  # at 0.1 it is o times as steep as the function
    return slope.mul_(chord).mul_(at_most(distance, OUTER)).mul_(1.0 / o)


RESTE = Method(schedule=EXACT_FORWARD, uses_time=True, estimator=lambda stair: StraightThrough(stair, reste_slope))
"""``y = stair(x)`` with the gradient of `reste_slope`.

Left out: the scaling of weights by their mean magnitude (``weight_scale = "learned"`` with ``scale_per = "channel"``
learns it). The publication raises ``o`` once an epoch; here it rises with every step.
"""
