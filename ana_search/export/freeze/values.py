"""What is known of a value while a network is being frozen."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ana_search.export.integer.operations import MaxPool

__all__ = ["BATCH", "Codes", "Pending", "Real", "Value"]

BATCH = object()
"""Stands for the number of images in a batch, and for whatever is computed from it."""

Elementwise = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Codes:
    """Integers in [``low``, ``high``] times ``scale``: value number ``index`` of the frozen network."""

    index: int
    scale: float
    low: int
    high: int


@dataclass(frozen=True)
class Real:
    """Floating-point numbers: value number ``index`` of the frozen network."""

    index: int


@dataclass(frozen=True)
class Pending:
    """The output of an integer map on its way to a quantiser, which will turn all of it into thresholds.

    The accumulators of channel c are the integers ``low[c]`` ... ``high[c]``, worth ``scale`` each; ``emit`` adds the
    map to the frozen network with the accumulators of the masked channels negated. ``functions`` are what the
    network applies to them, one monotonic function of every channel each; ``pools`` are the max-pools that come after
    the first ``pooled_after`` of them. ``side`` are the codes that are added as function number ``side_at``. ``affine``
    tells whether all functions are factors and offsets. Function number ``dips_at`` is not monotonic below 0.
    """

    emit: Callable[[Tensor], int]
    scale: float
    low: Tensor
    high: Tensor
    dimensions: int
    functions: tuple[Elementwise, ...] = ()
    pools: tuple[MaxPool, ...] = ()
    pooled_after: int = 0
    side: Codes | None = None
    side_at: int = 0
    affine: bool = True
    dips_at: int | None = None

    def then(self, function: Elementwise, *, affine: bool = False, dips: bool = False) -> "Pending":
        """Return this value with one more function applied to it; ``affine`` if it is a factor and an offset.

        One that ``dips`` rises above 0 and has negative values below.
        """
        at = len(self.functions) if dips and self.dips_at is None else self.dips_at
        return replace(self, functions=(*self.functions, function), affine=self.affine and affine, dips_at=at)

    def evaluate(self, accumulators: Tensor, side: Tensor | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return what the network makes of accumulators, int64 [C, P] → ``dtype`` [C, P].

        Pools are left out; ``side`` holds the codes of the second input, int64 [C, P].
        """
        x = (accumulators.to(torch.float64) * self.scale).to(dtype)
        return self._apply(x, 0, len(self.functions), side)

    def falls_after_pool(self) -> Tensor:
        """Return bool [C]: where the functions after the pools are decreasing."""
        count = len(self.low)
        if not self.pools:
            return torch.zeros(count, dtype=torch.bool)
        ends = torch.stack([self.low, self.high], dim=1)
        x = (ends.to(torch.float64) * self.scale).to(torch.float32)
        between = self._apply(x, 0, self.pooled_after, None).sort(dim=1).values
        after = self._apply(between, self.pooled_after, len(self.functions), None)
        return after[:, 0] > after[:, 1]

    @torch.no_grad()
    def _apply(self, x: Tensor, first: int, last: int, side: Tensor | None) -> Tensor:
        x, added = self._lay_out(x), None
        if self.side is not None and side is not None:
            added = self._lay_out((side.to(torch.float64) * self.side.scale).to(x.dtype))
        for number in range(first, last):
            if added is not None and number == self.side_at:
                x = x + added
            x = self.functions[number](x)
        if added is not None and self.side_at == last:
            x = x + added
        return x.T.contiguous() if self.dimensions == 2 else x.reshape(x.shape[1], -1)

    def _lay_out(self, x: Tensor) -> Tensor:
        """Reshape [C, P] as the network's layers want it: [P, C] or [1, C, 1, ..., P].

        Contiguous, as what a map gives is: PyTorch's batch norm rounds tensors with gaps in another way.
        """
        if self.dimensions == 2:
            return x.T.contiguous()
        return x.contiguous().reshape(1, x.shape[0], *[1] * (self.dimensions - 3), x.shape[1])


Value = Codes | Pending | Real
