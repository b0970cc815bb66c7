"""The error decay estimator of IR-Net."""

import math

import torch
from torch import Tensor

from ana_search.ana.methods.base import EXACT_FORWARD, Method, StraightThrough, around_threshold
from ana_search.ana.stairs import StairFunction

__all__ = ["EDE", "ede_slope"]

T_MIN, T_MAX = 0.1, 10.0


def ede_slope(x: Tensor, stair: StairFunction, time: Tensor) -> Tensor:
    """Return ``g'(u) = k t (1 - tanh(t u)**2)``, the derivative of ``g(u) = k tanh(t u)``.

    ``t = T_min 10**(time log10(T_max / T_min))`` rises from 0.1 to 10 and ``k = max(1 / t, 1)``, so that ``g`` is the
    identity at first and the sign in the end. ``u`` is the distance from the nearest threshold in half steps: ``x``
    itself for the sign function.

    Source: Qin, Gong, Liu, Shen, Wei, Yu and Song, CVPR 2020, equations 9 to 11.
    """
    t = (T_MIN * (T_MAX / T_MIN) ** time.double().clamp(0.0, 1.0)).to(x.dtype)
    k = torch.clamp(1.0 / t, min=1.0)
    # 1 - tanh(z)**2 = 4 e / (1 + e)**2 with e = exp(-2 |z|), which costs a fraction of tanh.
    e = around_threshold(x, stair).abs_().mul_(-2.0 * math.log2(math.e) * t).exp2_()
    return e.div_((e + 1.0).square_()).mul_(4.0 * k * t)


EDE = Method(schedule=EXACT_FORWARD, uses_time=True, estimator=lambda stair: StraightThrough(stair, ede_slope))
"""``y = stair(x)`` with the gradient of `ede_slope`.

Left out: Libra-PB, which balances and standardises the weights of every output channel and shifts them by powers of
two; ``weight_scale = "power_of_two"`` with ``scale_per = "channel"`` is the nearest that there is.
"""
