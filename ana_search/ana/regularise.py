"""Regularising a stair with additive noise: the function behind every quantised layer."""

import torch
from torch import Tensor

from ana_search.ana.kernels import regularised
from ana_search.ana.noise import Noise
from ana_search.ana.stairs import StairFunction
from ana_search.ana.strategies import Strategy, check_request

__all__ = ["regularise"]


def regularise(
    x: Tensor,
    stair: StairFunction,
    forward: Noise,
    backward: Noise | None = None,
    *,
    strategy: Strategy = "expectation",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return ``stair(x - noise)``: its expectation, its mode or one sample, for every element.

    The formula (Spallanzani, Leonardi and Benini, CVPR 2022, sections 2 and 3), with levels ``q_0 < ... < q_n`` and
    thresholds ``t_1 < ... < t_n`` in units of ``x``, and noise ``nu`` of mean ``m`` and scale ``s`` whose family has
    the distribution function ``F`` and the density ``f``:

    1. The stair is ``stair(x) = q_0 + sum_k (q_k - q_{k-1}) H(x - t_k)`` with ``H(0) = 1``.
    2. ``x - nu`` has reached the threshold ``t_k`` with probability ``F_k(x) = F((x - m - t_k) / s)``.
    3. ``"expectation"`` returns ``E[stair(x - nu)] = q_0 + sum_k (q_k - q_{k-1}) F_k(x)``.
    4. ``"mode"`` returns the most probable level: the ``q_k`` whose probability ``F_k(x) - F_{k+1}(x)`` is largest,
       with ``F_0 = 1`` and ``F_{n+1} = 0``, and the highest of equally probable ones.
    5. ``"random"`` returns ``stair(x - m - s z)`` with an independent sample ``z`` of the family for every element.
    6. The gradient is, whatever the strategy, the derivative of the expectation under the backward noise:
       ``sum_k (q_k - q_{k-1}) f((x - m - t_k) / s) / s``.
    7. Noise of spread 0 is none: the value is ``stair(x - m)`` exactly, the gradient zero.

    `ana_search.ana.reference.regularise` takes the same arguments and computes just that, every level against every
    element; this function computes the same numbers, but for rounding, in a fraction of the time and memory.

    Args:
        x: floating-point tensor of any shape and memory format.
        stair: the quantiser.
        forward: the noise of the value.
        backward: the noise of the gradient (default: the forward noise).
        strategy: ``"expectation"``, ``"mode"`` or ``"random"``.
        generator: source of the random strategy's samples (default: torch's own).

    Returns:
        Tensor of the shape, dtype and memory format of ``x``. Its gradient cannot be differentiated again.

    Raises:
        ValueError: an unknown strategy.
        TypeError: ``x`` is not floating-point.
    """
    check_request(x, strategy)
    return regularised(x, stair, forward, backward, strategy, generator)
