"""The values of a C network: their types and shapes, and names as C can have them."""

import re
from dataclasses import dataclass

import numpy as np

from ana_search.errors import ExportRequestError

__all__ = ["ARENAS", "BYTES", "Value", "identifier", "type_of"]

TYPES = {"int8_t": (-(2**7), 2**7 - 1), "uint8_t": (0, 2**8 - 1), "int16_t": (-(2**15), 2**15 - 1)}
BYTES = {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "int64_t": 8}
ARENAS = {"int8_t": "int8_t", "uint8_t": "int8_t", "int16_t": "int16_t", "int32_t": "int32_t"}


def identifier(name: str) -> str:
    """Return a name as C can have it."""
    found = re.sub(r"\W", "_", name, flags=re.ASCII)
    return found if re.match("[A-Za-z]", found) else f"n{found}"


def type_of(low: int, high: int) -> str:
    """Return the narrowest type that holds these integers. Raises `ExportRequestError` above 32 bits."""
    for name, (least, greatest) in TYPES.items():
        if least <= low and high <= greatest:
            return name
    if max(-low, high) >= 2**31:
        raise ExportRequestError(f"integers in [{low}, {high}]; allowed in C are those of 32 bits")
    return "int32_t"


@dataclass(frozen=True)
class Value:
    """Where a value lies: its number (after aliases), its type, and the shape of one image."""

    number: int
    type: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape))

    @property
    def channels(self) -> int:
        """The number of channels."""
        return self.shape[0]

    @property
    def positions(self) -> int:
        """The elements of one channel."""
        return self.size // self.shape[0]

    @property
    def plane(self) -> tuple[int, int]:
        """Height and width; 1 where there is no such dimension."""
        sizes = (1, 1, *self.shape[1:])
        return sizes[-2], sizes[-1]
