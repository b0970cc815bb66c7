"""Operations that move integers about or join branches: nothing here has weights."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ana_search.export.integer.operations import Operation

__all__ = ["Channels", "Concat", "PadSides", "Permute", "Product", "Reshape", "Take"]


class Concat(Operation):
    """Values side by side along the channels, each times its integer factor: their one grid is the finest of theirs."""

    def __init__(self, factors: Sequence[int]) -> None:
        super().__init__()
        self.factors = tuple(factors)

    def forward(self, *values: Tensor) -> Tensor:
        """Return [N, sum of channels, ...]."""
        return torch.cat([f * value if f != 1 else value for f, value in zip(self.factors, values, strict=True)], 1)


class Channels(Operation):
    """The channels ``start`` ... ``stop - 1``."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, codes: Tensor) -> Tensor:
        """Return the channels kept."""
        return codes[:, self.start : self.stop]


class Product(Operation):
    """The product of integers; one of the values may have a single number a channel: a gate."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the products, in the larger of the two shapes."""
        return left * right


class PadSides(Operation):
    """Zeros around the positions: ``before`` and ``after`` of every dimension behind the channels."""

    def __init__(self, before: Sequence[int], after: Sequence[int]) -> None:
        super().__init__()
        self.before, self.after = tuple(before), tuple(after)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the padded codes."""
        pairs = reversed(list(zip(self.before, self.after, strict=True)))
        return functional.pad(codes, [width for pair in pairs for width in pair])


class Reshape(Operation):
    """The same numbers of an image in another shape."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, codes: Tensor) -> Tensor:
        """Return [N, *shape]."""
        return codes.reshape(codes.shape[0], *self.shape)


class Permute(Operation):
    """Another order of the dimensions; the first one, the images, stays."""

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        self.order = tuple(order)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the value with its dimensions in ``order``."""
        return codes.permute(self.order).contiguous()


class Take(Operation):
    """The listed positions of every dimension behind the channels, which may repeat."""

    def __init__(self, positions: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.positions = tuple(tuple(each) for each in positions)
        for dimension, each in enumerate(self.positions, 2):
            self.register_buffer(f"positions_{dimension}", torch.tensor(each))

    def forward(self, codes: Tensor) -> Tensor:
        """Return the positions kept."""
        for dimension in range(2, codes.dim()):
            codes = codes.index_select(dimension, self.get_buffer(f"positions_{dimension}"))
        return codes
