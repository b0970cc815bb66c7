"""The expectation of a stair under noise and its derivative, element by element, in closed form."""

import math

import torch
from torch import Tensor

from ana_search.ana.noise import NoiseFamily
from ana_search.ana.stairs import StairFunction

__all__ = ["Scalar", "smooth"]

Scalar = float | Tensor
"""A Python number or a 0-d tensor."""


def smooth(
    x: Tensor,
    stair: StairFunction,
    family: NoiseFamily,
    mean: Scalar,
    scale: Scalar,
    *,
    most: float | None = None,
    value: bool = True,
    slope: bool = True,
) -> tuple[Tensor | None, Tensor | None]:
    """Return ``E[stair(x - noise)]`` and its derivative by ``x`` (either ``None`` if not asked for).

    The value is ``q_0 + sum_k (q_k - q_{k-1}) F((x - mean - t_k) / scale)`` and the derivative the same sum of
    densities over ``scale`` (Spallanzani, Leonardi and Benini, CVPR 2022, equation 5). On a uniform stair only
    the thresholds that the noise can reach from ``x`` are summed: the others contribute 0 or 1.

    Args:
        x: argument, any shape.
        stair: the stair.
        family: the noise family.
        mean: mean of the noise, in units of ``x``.
        scale: native scale of the family, positive, in units of ``x``.
        most: a bound on ``scale`` when that is a tensor; without it every threshold is summed.
        value: whether the expectation is wanted.
        slope: whether the derivative is wanted.
    """
    n = len(stair.thresholds)
    q = stair.quantum
    if stair.step is None or n == 1:
        jumps = [(b - a) * q for a, b in zip(stair.levels, stair.levels[1:], strict=False)]
        z = [(x - (t + mean)) / scale for t in stair.scaled_thresholds]
        expected, density = _sum(family, z, jumps, value, slope)
    else:
        width, jump = stair.step[0] * q, stair.step[1] * q
        y = (x - (mean + stair.scaled_thresholds[0])) / width
        count = _reachable(family.reach, most if isinstance(scale, Tensor) else scale, width, n)
        inverse = width / scale
        base = None
        if count < n:
            base = torch.ceil(y - 0.5 * count).clamp(0.0, float(n - count))
            y = y - base
        z0 = y * inverse
        expected, density = _sum(
            family, [z0 - j * inverse for j in range(count)], [jump] * count, value, slope
        )
        if expected is not None and base is not None:
            expected = expected + jump * base
    return (
        None if expected is None else expected + stair.scaled_levels[0],
        None if density is None else density / scale,
    )


def _reachable(reach: float, scale: float | None, width: float, n: int) -> int:
    """Return how many neighbouring thresholds noise of this scale can cross from one point."""
    if scale is None:
        return n
    return min(n, max(1, math.ceil(2.0 * reach * scale / width)))


def _sum(
    family: NoiseFamily, z: list[Tensor], jumps: list[float], value: bool, slope: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return the sums of ``jump * F(z)`` and ``jump * F'(z)``, whichever are wanted."""
    expected: Tensor | None = None
    density: Tensor | None = None
    for zk, jump in zip(z, jumps, strict=True):
        if value and slope:
            f, d = family.cdf_pdf(zk)
            expected = jump * f if expected is None else expected + jump * f
            density = jump * d if density is None else density + jump * d
        elif value:
            f = family.cdf(zk)
            expected = jump * f if expected is None else expected + jump * f
        elif slope:
            d = family.pdf(zk)
            density = jump * d if density is None else density + jump * d
    return expected, density
