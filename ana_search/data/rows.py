"""Examples that stay on the disk: arrays mapped into memory, of which a batch reads only its own rows.

Every process that maps a file shares one copy of what was read, in the page cache of its node; the operating system
drops what it needs room for. Indexing is that of a tensor, so that training need not know which of the two it has.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ana_search.data.coding import Scaling
from ana_search.errors import DataError

__all__ = ["MappedRows", "map_array"]


class MappedRows:
    """Rows of ``.npy`` files end to end, read and turned into uint8 when they are asked for.

    Args:
        files: the files; all have rows of one shape and one type, uint8 or floating point.
        scaling: how floating-point numbers become pixels.
        positions: which rows, in which order, int64; default: all.
        device: where rows are wanted.
    """

    def __init__(
        self,
        files: Sequence[Path],
        scaling: Scaling | None = None,
        positions: Tensor | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.files = tuple(files)
        self.scaling = scaling
        self._parts = [map_array(file) for file in self.files]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        self._positions = positions
        self._device = device or torch.device("cpu")

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process maps the files for itself: what is sent are their names.
        return MappedRows, (self.files, self.scaling, self._positions, self._device)

    def __len__(self) -> int:
        return int(self._starts[-1]) if self._positions is None else len(self._positions)

    @property
    def shape(self) -> torch.Size:
        """The shape of all rows together, [N, ...]."""
        return torch.Size((len(self), *self._parts[0].shape[1:]))

    @property
    def dtype(self) -> torch.dtype:
        """What rows are once they are read: uint8."""
        return torch.uint8

    def __getitem__(self, chosen: "Tensor | slice") -> Tensor:
        """Return the chosen rows as uint8 on the device. Raises `DataError` for NaN among floating-point numbers."""
        if isinstance(chosen, slice):
            chosen = torch.arange(*chosen.indices(len(self)))
        places = chosen.cpu() if self._positions is None else self._positions[chosen.cpu()]
        if len(self._parts) == 1:
            rows = self._pixels(self._parts[0][places], self.files[0])
        else:
            rows = self._of_several(places)
        return rows.to(self._device, non_blocking=True)

    def take(self, positions: Tensor) -> "MappedRows":
        """Return the rows at ``positions`` of these, none of which is read."""
        places = positions if self._positions is None else self._positions[positions]
        return MappedRows(self.files, self.scaling, places, self._device)

    def followed_by(self, others: "MappedRows") -> "MappedRows":
        """Return these rows and then the others, which have the same scaling."""
        files = tuple(dict.fromkeys([*self.files, *others.files]))
        both = MappedRows(files, self.scaling, device=self._device)
        starts = {file: int(start) for file, start in zip(files, both._starts, strict=False)}
        places = [each._places_in(starts) for each in (self, others)]
        return both.take(torch.cat(places))

    def _places_in(self, starts: dict[Path, int]) -> Tensor:
        """Return where each of these rows is among the rows of files that start at ``starts``."""
        own = torch.arange(int(self._starts[-1])) if self._positions is None else self._positions
        shifts = torch.tensor(
            [starts[file] - int(start) for file, start in zip(self.files, self._starts, strict=False)]
        )
        return own + shifts[torch.searchsorted(torch.from_numpy(self._starts[1:]), own, right=True)]

    def to(self, device: torch.device) -> "MappedRows":
        """Return these rows such that what is read of them goes to ``device``."""
        return MappedRows(self.files, self.scaling, self._positions, device)

    def raw(self, positions: Tensor) -> Tensor:
        """Return the rows at ``positions`` as they are in the files."""
        places = positions if self._positions is None else self._positions[positions]
        found = [self._parts[part][places[here] - start] for part, start, here in self._by_file(places)]
        return torch.cat(found)

    def _of_several(self, places: Tensor) -> Tensor:
        rows = torch.empty((len(places), *self.shape[1:]), dtype=torch.uint8)
        for part, start, here in self._by_file(places):
            rows[here] = self._pixels(self._parts[part][places[here] - start], self.files[part])
        return rows

    def _by_file(self, places: Tensor) -> list[tuple[int, int, Tensor]]:
        """Return for each file that is read: its number, its first row's place, and which of ``places`` are in it."""
        ends = torch.from_numpy(self._starts[1:])
        owner = torch.searchsorted(ends, places, right=True)
        parts = sorted(set(owner.tolist()))
        return [(part, int(self._starts[part]), (owner == part).nonzero().flatten()) for part in parts]

    def _pixels(self, rows: Tensor, file: Path) -> Tensor:
        if self.scaling is None:
            return rows
        if bool(rows.isnan().any()):
            raise DataError(f"data.root: {file} holds NaN; allowed: finite numbers")
        return self.scaling(rows)


def map_array(file: Path) -> Tensor:
    """Return the array of a ``.npy`` file as a tensor on memory that maps it; it is not to be written to."""
    array = np.load(file, mmap_mode="r", allow_pickle=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
