"""The clipped straight-through estimator."""

from ana_search.ana.methods.base import EXACT_FORWARD, Method

__all__ = ["CLIPPED_STE"]

CLIPPED_STE = Method(
    schedule={**EXACT_FORWARD, "backward_noise": "uniform", "backward_spread": 0.5},
)
"""``y = stair(x)``, ``dy/dx = 1`` between the outermost levels, else 0.

Source: Hubara, Courbariaux, Soudry, El-Yaniv and Bengio, NeurIPS 2016, equation 4 (on the sign function the window is
[-1, 1]). It is backward noise that is uniform on half a step around every threshold. Left out: the stochastic
binarisation, and the clipping of the float weights to [-1, 1] after each step.
"""
