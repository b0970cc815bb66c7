"""The estimator of Bi-Real Net."""

from ana_search.ana.methods.base import EXACT_FORWARD, Method

__all__ = ["BIREAL"]

BIREAL = Method(
    schedule={**EXACT_FORWARD, "backward_noise": "triangular", "backward_spread": 0.5},
)
"""``y = sign(x)``, ``dy/dx = 2 + 2 x`` on [-1, 0), ``2 - 2 x`` on [0, 1), else 0: the derivative of the piecewise
polynomial ``ApproxSign``.

Source: Liu, Wu, Luo, Yang, Liu and Cheng, ECCV 2018, equation 7. It is backward noise that is triangular, one step wide
to both sides of a threshold; with several levels the windows overlap. Left out: the magnitude-aware gradient of the
weights, the shortcut around every convolution (a matter of the network), and training in two stages.
"""
