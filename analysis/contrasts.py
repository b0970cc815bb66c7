"""An orthonormal basis for mixed factors: with it a variance is a sum of squared coefficients.

Helmert contrasts for categories, Legendre polynomials up to degree 4 for continuous factors, and products of two
factors' functions (continuous ones up to degree 2 there). Every function has mean 0 and mean square 1 under a
uniform draw of the levels, and different functions are uncorrelated, so that the functional analysis of variance of
``sum_j b_j f_j`` gives each block ``sum b_j^2``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre

from analysis.factors import Factor
from analysis.shares import Subset

__all__ = ["Block", "basis_blocks", "helmert", "legendre_functions", "too_many_levels"]

Floats = npt.NDArray[np.float64]

MAIN_DEGREE = 4
CROSS_DEGREE = 2
LARGEST_PAIR = 1000
"""A pair of factors with more functions than these has no block: too many levels for so many crossings to be seen."""


@dataclass(frozen=True)
class Block:
    """The functions of one factor, or of a pair: ``columns`` has one row per run and one column per function."""

    groups: Subset
    factors: tuple[str, ...]
    columns: Floats


def helmert(levels: int) -> Floats:
    """Return the normalised Helmert contrasts, ``levels`` x ``levels - 1``: columns of mean 0 and mean square 1.

    >>> helmert(2).ravel().tolist()
    [1.0, -1.0]
    """
    table = np.zeros((levels, levels - 1))
    for column in range(levels - 1):
        table[: column + 1, column] = 1.0
        table[column + 1, column] = -(column + 1.0)
    return np.asarray(table / np.sqrt((table**2).mean(axis=0)))


def legendre_functions(position: Floats, degree: int) -> Floats:
    """Return the Legendre polynomials of degree 1 to `degree` at `position` in [-1, 1], scaled to mean square 1."""
    return np.asarray(legendre.legvander(position, degree)[:, 1:] * np.sqrt(2.0 * np.arange(1, degree + 1) + 1.0))


def _functions(factor: Factor, degree: int) -> Floats:
    if factor.values is not None:
        return legendre_functions(factor.values, degree)
    assert factor.codes is not None
    return helmert(len(factor.levels))[factor.codes]


def too_many_levels(factors: Sequence[Factor]) -> list[tuple[str, str]]:
    """Return the pairs of factors whose interaction would take more than `LARGEST_PAIR` functions."""

    def functions(factor: Factor) -> int:
        return CROSS_DEGREE if factor.values is not None else len(factor.levels) - 1

    pairs = combinations(factors, 2)
    return [(one.name, other.name) for one, other in pairs if functions(one) * functions(other) > LARGEST_PAIR]


def basis_blocks(factors: Sequence[Factor]) -> list[Block]:
    """Return the blocks of all main effects and of all pairs of factors, but for those of `too_many_levels`."""
    blocks = [Block(frozenset({f.group}), (f.name,), _functions(f, MAIN_DEGREE)) for f in factors]
    left_out = too_many_levels(factors)
    for one, other in combinations(factors, 2):
        if (one.name, other.name) in left_out:
            continue
        left, right = _functions(one, CROSS_DEGREE), _functions(other, CROSS_DEGREE)
        crossed = (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)
        blocks.append(Block(frozenset({one.group, other.group}), (one.name, other.name), crossed))
    return blocks
