"""What is known of a value while quantisers are being placed."""

from dataclasses import dataclass
from typing import Literal

from torch import fx

from ana_search.ana.stairs import StairFunction

__all__ = ["Known", "Site"]

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


@dataclass(frozen=True)
class Known:
    """What a value is, and where it comes from.

    ``layer`` is the quantised layer that it belongs to; ``depth`` the number of maps on the longest way from the input;
    ``quantum`` the unit of codes, where one is known; ``side`` the codes that were added to a ``sum``.
    """

    state: State
    layer: int = 0
    depth: int = 0
    is_positive: bool = False
    quantum: float | None = None
    side: fx.Node | None = None


@dataclass
class Site:
    """A quantiser to be made: the node that calls it, and whether it stands in the place of an activation module."""

    node: fx.Node
    stair: StairFunction
    layer: int
    wanted_name: str
    replaces: str = ""
