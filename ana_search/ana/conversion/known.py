"""What is known of a value while quantisers are being placed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, fx

from ana_search.ana.stairs import StairFunction

__all__ = ["Grid", "Known", "Site"]

State = Literal[
    "codes",  # integers of a quantiser, or of the input's coding
    "wide",  # sums and products of codes: integers of more bits
    "average",  # codes divided by a number
    "pending",  # a map's result on its way to a quantiser
    "sum",  # one of these plus codes
    "real",  # of an operation that has no quantised form
    "float",  # of parts that stay in floating point because they were asked to
    "none",  # no values: sizes, parameters
]


class Grid:
    """The set of all codes that must have one scale, since they are added or put side by side.

    Args:
        fixed: whether the scale is given: that of the input, of codes that are multiplied, or of a function's range.
    """

    def __init__(self, *, fixed: bool = False) -> None:
        self._joined: Grid | None = None
        self._fixed = fixed

    @property
    def root(self) -> "Grid":
        """The one that stands for all that were joined."""
        return self if self._joined is None else self._joined.root

    @property
    def fixed(self) -> bool:
        """Whether no code of the set may have a scale."""
        return self.root._fixed

    def fix(self) -> None:
        """Give the codes no scale."""
        self.root._fixed = True

    def join(self, other: "Grid") -> None:
        """Make one set of both."""
        mine, theirs = self.root, other.root
        if mine is not theirs:
            theirs._fixed = mine._fixed or theirs._fixed
            mine._joined = theirs


@dataclass(frozen=True)
class Known:
    """What a value is, and where it comes from.

    ``layer`` is the quantised layer that it belongs to; ``depth`` the number of maps on the longest way from the input;
    ``quantum`` the unit of codes, where one is known; ``side`` the codes that were added to a ``sum``; ``grid`` the
    codes that must have the scale of these.
    """

    state: State
    layer: int = 0
    depth: int = 0
    is_positive: bool = False
    quantum: float | None = None
    side: fx.Node | None = None
    grid: Grid | None = None


@dataclass
class Site:
    """A quantiser to be made: the node that calls it, and whether it stands in the place of an activation module."""

    node: fx.Node
    stair: StairFunction
    layer: int
    wanted_name: str
    grid: Grid
    replaces: str = ""
    function: Callable[[Tensor], Tensor] | None = None
    """The function that it stands for, where that was a call."""
