"""Stair functions: the quantisers of a quantised network, exact and immutable."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import torch
from torch import Tensor

from ana_search.ana.kernels.stair import Grid, exact, make_grid

__all__ = ["StairFunction"]


@dataclass(frozen=True, init=False)
class StairFunction:
    """A piecewise constant function with levels ``q_0 < ... < q_n`` and thresholds ``t_1 < ... < t_n``.

    ``stair(x) = quantum * (q_0 + sum_k (q_k - q_{k-1}) * H(x / quantum - t_k))`` with ``H(0) = 1``: a value on
    a threshold takes the upper level (Spallanzani, Leonardi and Benini, CVPR 2022, section 2).

    Args:
        levels: the ``n + 1`` values, strictly increasing, in units of ``quantum``.
        thresholds: the ``n`` jumps, strictly increasing, in units of ``quantum``.
        quantum: the unit of both, positive.

    Raises:
        ValueError: levels or thresholds that do not increase strictly, do not match in number or are not
            finite; a quantum that is not positive.

    >>> stair = StairFunction.ternary()
    >>> stair(torch.tensor([-0.6, -0.5, 0.0, 0.5])).tolist()
    [-1.0, 0.0, 0.0, 1.0]
    >>> StairFunction.from_bits(2) == stair
    True
    """

    levels: tuple[float, ...]
    thresholds: tuple[float, ...]
    quantum: float
    spacing: tuple[float, float] | None = field(init=False, compare=False, repr=False)
    """The (distance between thresholds, jump between levels), in quanta, of a uniform stair, else ``None``.

    A stair with a single threshold is uniform with distance 1.
    """
    scaled_levels: tuple[float, ...] = field(init=False, compare=False, repr=False)
    """The levels in units of the argument."""
    scaled_thresholds: tuple[float, ...] = field(init=False, compare=False, repr=False)
    """The thresholds in units of the argument."""
    grid: Grid | None = field(init=False, compare=False, repr=False)
    """How to evaluate the stair with a floor instead of a search; ``None`` if that would not be exact."""

    def __init__(self, levels: Sequence[float], thresholds: Sequence[float], quantum: float = 1.0) -> None:
        levels, thresholds = _numbers("levels", levels), _numbers("thresholds", thresholds)
        if not thresholds or len(levels) != len(thresholds) + 1:
            raise ValueError(
                f"a stair has one level more than it has thresholds, and at least one threshold; "
                f"got {len(levels)} levels and {len(thresholds)} thresholds"
            )
        quantum = float(quantum)
        if not (quantum > 0 and math.isfinite(quantum)):
            raise ValueError(f"`quantum > 0` must hold, but got quantum={quantum}")
        spacing = _spacing(levels, thresholds)
        for name, value in {
            "levels": levels,
            "thresholds": thresholds,
            "quantum": quantum,
            "spacing": spacing,
            "scaled_levels": tuple(level * quantum for level in levels),
            "scaled_thresholds": tuple(threshold * quantum for threshold in thresholds),
            "grid": make_grid(spacing, thresholds[0], levels[0], quantum),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def step(self) -> float:
        """The distance between neighbouring levels, in units of the argument; its mean where they are spaced unevenly.

        It is the unit of the means and spreads of a `LayerSchedule`. For consecutive integers it is the quantum.

        >>> StairFunction.ternary(quantum=0.5).step, StairFunction.binary().step
        (0.5, 2.0)
        """
        return (self.levels[-1] - self.levels[0]) / len(self.thresholds) * self.quantum

    @property
    def bits(self) -> int:
        """The bits that tell all levels apart.

        >>> StairFunction.binary().bits, StairFunction.ternary().bits, StairFunction.from_bits(4).bits
        (1, 2, 4)
        """
        return len(self.thresholds).bit_length()

    @classmethod
    def ternary(cls, quantum: float = 1.0) -> Self:
        """Return the reference quantiser: levels -1, 0, 1 and thresholds -1/2, 1/2."""
        return cls((-1.0, 0.0, 1.0), (-0.5, 0.5), quantum)

    @classmethod
    def binary(cls, quantum: float = 1.0) -> Self:
        """Return the sign function: levels -1, 1 and threshold 0, so that 0 becomes 1."""
        return cls((-1.0, 1.0), (0.0,), quantum)

    @classmethod
    def from_bits(cls, bits: int, signed: bool = True, balanced: bool = True, quantum: float = 1.0) -> Self:
        """Return the stair on the integers that ``bits`` bits hold, every threshold half-way between levels.

        Signed balanced levels are ``-(2**(bits-1) - 1) ... 2**(bits-1) - 1`` (one bit: -1 and 1, threshold 0);
        signed unbalanced ones start at ``-2**(bits-1)``; unsigned ones are ``0 ... 2**bits - 1`` whether
        balanced or not.

        Raises:
            ValueError: ``bits`` is not an integer between 1 and 8.

        >>> StairFunction.from_bits(3).levels
        (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
        """
        if bits not in range(1, 9):
            raise ValueError(f"`1 <= bits <= 8` must hold for an integer, but got bits={bits!r}")
        if signed and balanced and bits == 1:
            return cls.binary(quantum)
        half = 2 ** (bits - 1)
        lowest = 0 if not signed else 1 - half if balanced else -half
        highest = 2 * half - 1 if not signed else half - 1
        integers = range(lowest, highest + 1)
        return cls(tuple(integers), tuple(i + 0.5 for i in integers[:-1]), quantum)

    @classmethod
    def for_network(cls, bits: int | Literal["ternary"]) -> Self:
        """Return the stair of a layer with ``bits`` bits, scaled to a range near [-1, 1].

        Levels are balanced but for 2 bits, which are four levels: -2, -1, 0 and 1. The quantum is ``2 / (n + 1)`` with
        ``n`` positive levels: 1 for one bit, ternary and 2 bits, 1/64 for 8 bits. It is a power of two, so that the
        integer codes of a layer are exact in floating point.
        """
        if bits == "ternary":
            return cls.ternary()
        stair = cls.from_bits(bits, balanced=bits != 2)
        return cls(stair.levels, stair.thresholds, 2.0 / (stair.levels[-1] + 1.0))

    def __call__(self, x: Tensor) -> Tensor:
        """Return the level of every element of ``x``: same shape, dtype and memory format, no gradient.

        Thresholds and levels in the units of ``x`` are the products with the quantum, rounded to its dtype.
        NaN stays NaN.
        """
        with torch.no_grad():
            return exact(x, self)


def _spacing(levels: tuple[float, ...], thresholds: tuple[float, ...]) -> tuple[float, float] | None:
    jumps = {b - a for a, b in itertools.pairwise(levels)}
    widths = {b - a for a, b in itertools.pairwise(thresholds)} or {1.0}
    return (widths.pop(), jumps.pop()) if len(jumps) == 1 and len(widths) == 1 else None


def _numbers(name: str, values: Sequence[float]) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if not all(map(math.isfinite, numbers)) or any(a >= b for a, b in itertools.pairwise(numbers)):
        raise ValueError(f"`{name}` must be finite and strictly increasing, but got {numbers}")
    return numbers
