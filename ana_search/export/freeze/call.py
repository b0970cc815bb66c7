"""What the handler of one operation is given, and how it appends to the integer network."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ana_search.errors import ExportRequestError
from ana_search.export.freeze.values import Codes, Pending, Real, Value
from ana_search.export.integer import Step, layer_name
from ana_search.export.integer import operations as ops

__all__ = ["Call", "StepList"]


class StepList:
    """The steps of the integer network that have been found so far, from the input on."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._calls: dict[str, int] = {}

    def add(self, operation: ops.Operation, *inputs: int, layer: str = "", low: int = 0, high: int = 0) -> int:
        """Append a step and return the number of its value."""
        self.steps.append(Step(operation, inputs, layer, low, high))
        return len(self.steps)

    def codes(
        self, operation: ops.Operation, *inputs: int, scale: float, low: int, high: int, layer: str = ""
    ) -> Codes:
        """Append a step that gives codes."""
        return Codes(self.add(operation, *inputs, layer=layer, low=low, high=high), scale, low, high)

    def next_layer(self, module: str) -> str:
        """Return the name of the layer that this call of a quantised activation ends."""
        self._calls[module] = self._calls.get(module, 0) + 1
        return layer_name(module, self._calls[module])


@dataclass(frozen=True)
class Call:
    """One operation of the traced network: its name, the shapes around it, and where its steps go.

    Shapes are those of a batch of any size; their first number is that of the batch which was tried.
    """

    name: str
    target: str
    steps: StepList
    shape: torch.Size | None
    input_shape: torch.Size
    other_shape: torch.Size
    """The shapes of the first and of the last tensor that it reads."""
    input_is_read_again: bool
    """Whether something else reads the first tensor too, which an operation in place would change."""

    def refuse(self, why: str) -> ExportRequestError:
        """Return the error that names this operation."""
        return ExportRequestError(f"the network cannot be exported: {self.target} ({self.name}): {why}")

    def in_place(self, inplace: bool) -> None:
        """Refuse an operation in place on a value that is read elsewhere: its readers would see the result."""
        if inplace and self.input_is_read_again:
            raise self.refuse("it works in place on a value that is read elsewhere too; allowed is inplace=False")

    def pending(self, value: Value) -> Pending:
        """Return ``value`` as one that functions can be applied to."""
        if isinstance(value, Pending):
            return value
        if isinstance(value, Real):
            raise self.refuse("it reads floating-point values")
        index, bound = value.index, max(abs(value.low), abs(value.high))

        def emit(negated: Tensor) -> int:
            if not bool(negated.any()):
                return index
            return self.steps.add(ops.Reflect(negated, 0), index, low=-bound, high=bound)

        channels = self.input_shape[1]
        low, high = (torch.full((channels,), each, dtype=torch.int64) for each in (value.low, value.high))
        return Pending(emit, value.scale, low, high, len(self.input_shape))
