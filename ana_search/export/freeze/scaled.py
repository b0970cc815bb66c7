"""A stair with its scale, as the trained network evaluates it."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ana_search.ana import QuantActivation, StairFunction

__all__ = ["ScaledStair"]


@dataclass(frozen=True)
class ScaledStair:
    """``scale * stair(x / scale)``; a ``scale`` of ``None`` is 1."""

    stair: StairFunction
    scale: Tensor | None

    @classmethod
    def of(cls, module: QuantActivation) -> "ScaledStair":
        """Return that of a quantised activation."""
        scale = module.quantiser.scale
        return cls(module.stair, None if scale is None else scale.value.cpu())

    @property
    def quantum(self) -> float:
        """What one step of the integer codes is worth."""
        return self.stair.quantum * (1.0 if self.scale is None else float(self.scale))

    def with_stair(self, stair: StairFunction) -> "ScaledStair":
        """Return another stair with the same scale."""
        return replace(self, stair=stair)

    def codes(self, x: Tensor) -> Tensor:
        """Return the integer codes of floating-point values, int64."""
        unscaled = x if self.scale is None else x / self.scale.to(x.dtype)
        return (self.stair(unscaled) / self.stair.quantum).round().to(torch.int64)
