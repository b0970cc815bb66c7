"""Trained quantisation thresholds."""

from torch import Tensor

from ana_search.ana.methods.base import EXACT_FORWARD, Method, StraightThrough
from ana_search.ana.stairs import StairFunction

__all__ = ["TQT", "tqt_slope"]


def tqt_slope(x: Tensor, stair: StairFunction, time: Tensor) -> Tensor:
    """Return 1 where ``x`` rounds to one of the levels, half a step beyond the outermost ones included, else 0.

    Source: Jain, Gural, Wu and Dick, MLSys 2020, equation 8.
    """
    low, high = stair.scaled_levels[0] - 0.5 * stair.step, stair.scaled_levels[-1] + 0.5 * stair.step
    return ((x >= low) & (x <= high)).to(x.dtype)


TQT = Method(
    schedule=EXACT_FORWARD,
    scale="power_of_two",
    estimator=lambda stair: StraightThrough(stair, tqt_slope),
)
"""``y = s stair(x / s)`` with ``s = 2**ceil(log2 t)`` and a learned ``log2 t``; ``dy/dx`` is that of `tqt_slope`;
``dy/d(log2 t) = s ln(2) (stair(x / s) - x / s)`` where ``x / s`` rounds to a level, ``s ln(2)`` times the outermost
level beyond.

Source: Jain, Gural, Wu and Dick, MLSys 2020, equations 4 to 8. Left out: the calibration of the first thresholds by
Kullback and Leibler's divergence (``start = "trained"`` fits them otherwise), the folding of batch norm into the
weights before training, and the freezing of thresholds that oscillate.
"""
