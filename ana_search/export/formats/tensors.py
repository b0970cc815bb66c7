"""Tensors of a graph that is being written, and what is known of their integers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Range", "Written", "across"]


@dataclass(frozen=True)
class Written:
    """A tensor of the ONNX graph: its integers are the stored values minus ``zero``; they lie in [``low``, ``high``].

    ``is_byte`` tells uint8 from the wider type of the format; ``rank`` is the number of dimensions; ``reach`` are the
    least and greatest integers of every channel, where these are known.
    """

    name: str
    low: int
    high: int
    rank: int
    zero: int = 0
    is_byte: bool = False
    reach: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None


@dataclass(frozen=True)
class Range:
    """The integers that a step may give, and the rank of its value."""

    low: int
    high: int
    rank: int


def across(values: NDArray[Any], rank: int) -> NDArray[Any]:
    """Reshape a vector [C] so that it broadcasts over [N, C, ...]."""
    return values.reshape(-1, *[1] * (rank - 2))
