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
    probability: float = 1.0
    """The part of even draws in which the block's factors exist."""


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
    """A factor's functions; those of a conditional one are 0 where it does not exist, and centred where it does."""
    if factor.values is not None:
        found = legendre_functions(factor.values, degree)
    else:
        assert factor.codes is not None
        found = helmert(len(factor.levels))[factor.codes]
    if factor.nest is None:
        return found
    return np.where(factor.exists[:, None], found, 0.0)


def _above(one: Factor, other: Factor) -> bool:
    """Whether one factor decides where the other exists: their product would be the other's own function again."""
    return (one.nest is not None and other.name in one.nest.ancestors) or (
        other.nest is not None and one.name in other.nest.ancestors
    )


def _together(one: Factor, other: Factor) -> float:
    """The part of even draws in which both factors exist."""
    if one.nest is None or other.nest is None:
        return one.probability * other.probability
    if one.nest.ancestors & other.nest.ancestors:  # they hang on the same columns
        return float((one.exists & other.exists).mean())
    return one.probability * other.probability


def too_many_levels(factors: Sequence[Factor]) -> list[tuple[str, str]]:
    """Return the pairs of factors whose interaction would take more than `LARGEST_PAIR` functions."""

    def functions(factor: Factor) -> int:
        return CROSS_DEGREE if factor.values is not None else len(factor.levels) - 1

    pairs = combinations(factors, 2)
    return [(one.name, other.name) for one, other in pairs if functions(one) * functions(other) > LARGEST_PAIR]


def basis_blocks(factors: Sequence[Factor], having: str | None = None) -> list[Block]:
    """Return the blocks of all main effects and of all pairs of factors, but for those of `too_many_levels`.

    With `having` only those that this factor is in, in the same order.

    A conditional factor's functions are scaled to mean square 1 over all even draws, those without it included. It
    has no block with a factor that decides where it exists: its effect there *is* its own.
    """
    blocks = [
        Block(frozenset({f.group}), (f.name,), _functions(f, MAIN_DEGREE) / np.sqrt(f.probability), f.probability)
        for f in factors
        if having in (None, f.name)
    ]
    left_out = too_many_levels(factors)
    for one, other in combinations(factors, 2):
        if having not in (None, one.name, other.name):
            continue
        together = _together(one, other)
        if (one.name, other.name) in left_out or _above(one, other) or together == 0:
            continue
        left, right = _functions(one, CROSS_DEGREE), _functions(other, CROSS_DEGREE)
        crossed = (left[:, :, None] * right[:, None, :]).reshape(len(left), -1) / np.sqrt(together)
        blocks.append(Block(frozenset({one.group, other.group}), (one.name, other.name), crossed, together))
    return blocks
