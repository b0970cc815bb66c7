"""Additive noise annealing, and its best preset."""

from ana_search.ana.methods.base import Method

__all__ = ["ANA", "NOISE"]

NOISE = Method(is_noisy=True)
"""Additive noise annealing with everything free: the keys of the noise and its schedule say what it does.

Source: Spallanzani, Leonardi and Benini, CVPR 2022; see `ana_search.ana.regularise`.
"""

ANA = Method(
    interval="partition",
    uses_time=True,
    schedule={
        "noise": "uniform",
        "strategy": "expectation",
        "mean": 0.0,
        "spread": 0.5,
        "spread_alpha": 2.0,
        "decay": "power",
        "backward": "static",
        "backward_noise": "uniform",
        "backward_spread": 0.5,
    },
)
"""Additive noise annealing as it does best in our measurements: uniform noise whose spread decays layer after layer,
from the input on, in the forward pass, and stays in the gradient.

Source: Spallanzani, Leonardi and Benini, CVPR 2022; all parts but one are among the policies of its experiments. That
the intervals are partitioned is what the studies in ``docs/results`` found best. The gradient that stays is ours:
without it a layer that has finished annealing no longer learns.
"""
