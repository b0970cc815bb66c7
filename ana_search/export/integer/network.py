"""The frozen network: a list of integer operations that can be run, exported and written to files."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ana_search.export.integer.operations import Classifier, IntegerMap, Operation

__all__ = ["FrozenNetwork", "Step", "layer_name", "storage_bits"]


class Step(NamedTuple):
    """One operation: which values it reads (0 is the pixels, i + 1 the result of step i) and what it computes.

    ``layer`` names the quantised layer whose codes the step gives, or is empty; ``low`` and ``high`` bound the
    integers.
    """

    operation: Operation
    inputs: tuple[int, ...]
    layer: str = ""
    low: int = 0
    high: int = 0


class FrozenNetwork(nn.Module):
    """A trained network in integer arithmetic: uint8 pixels [N, C, H, W] → logits, ``float32`` [N, classes]."""

    def __init__(self, steps: Sequence[Step], input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.operations = nn.ModuleList(step.operation for step in steps)
        self.steps = tuple(steps)
        self.input_shape = input_shape
        self.eval()

    @property
    def layers(self) -> list[str]:
        """The names of the quantised layers, from the input on."""
        return [step.layer for step in self.steps if step.layer]

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits."""
        return self.run(pixels)[-1]

    @torch.no_grad()
    def logits_and_codes(self, pixels: Tensor) -> tuple[Tensor, dict[str, NDArray[np.int64]]]:
        """Return the logits, and the integer codes of every quantised layer by name."""
        values = self.run(pixels)
        pairs = zip(self.steps, values[1:], strict=True)
        return values[-1], {step.layer: value.numpy().astype(np.int64) for step, value in pairs if step.layer}

    def run(self, pixels: Tensor) -> list[Tensor]:
        """Return all values: the pixels, then the result of every step."""
        values = [pixels]
        for operation, step in zip(self.operations, self.steps, strict=True):
            values.append(operation(*[values[index] for index in step.inputs]))
        return values

    @torch.no_grad()
    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of all values for one image: the pixels, then the result of every step."""
        values = self.run(torch.zeros(1, *self.input_shape, dtype=torch.uint8))
        return [tuple(value.shape) for value in values]

    @property
    def multiplications(self) -> int:
        """The multiplications of all maps for one image, with the weights that are 0."""
        found = 0
        for operation, shape in zip(self.operations, self.shapes()[1:], strict=True):
            if isinstance(operation, IntegerMap | Classifier):
                found += operation.weight.numel() * math.prod(shape[2:])
        return found

    @property
    def bits(self) -> int:
        """The bits that the integer weights take at the fewest bits that hold each layer."""
        return sum(storage_bits(op.weight) * op.weight.numel() for op in self.operations if isinstance(op, IntegerMap))


def layer_name(module: str, call: int) -> str:
    """Return the name of a quantised layer: its activation's name, numbered from the second call on."""
    return module if call == 1 else f"{module}#{call}"


def storage_bits(weight: Tensor) -> int:
    """Return 2, 4 or 8: the bits of the narrowest signed integers that hold ``weight``."""
    low, high = int(weight.min()), int(weight.max())
    return next(bits for bits in (2, 4, 8) if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1))
