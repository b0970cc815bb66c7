"""The quantiser module: one stair, the noise that regularises it now, and nothing else."""

import torch
from torch import Tensor, nn

from ana_search.ana.noise import Noise, Width
from ana_search.ana.regularise import regularise
from ana_search.ana.stairs import StairFunction
from ana_search.ana.strategies import Strategy

__all__ = ["Quantiser"]


class Quantiser(nn.Module):
    """A stair function that is regularised while training and exact in evaluation.

    Means and spreads are 0-d buffers in units of the stair's quantum; they are not part of the state dict,
    because the annealer derives them from the step. A fresh quantiser has no forward noise and a static uniform
    backward noise of spread 1/2: the clipped straight-through estimator.
    """

    forward_mean: Tensor
    forward_spread: Tensor
    backward_mean: Tensor
    backward_spread: Tensor

    def __init__(self, stair: StairFunction) -> None:
        super().__init__()
        self.stair = stair
        self.family = "uniform"
        self.backward_family: str | None = "uniform"
        """Family of the gradient's noise; ``None``: the forward noise, whatever the backward buffers hold."""
        self.strategy: Strategy = "expectation"
        self.width: Width = "interval"
        for name, value in _INITIAL.items():
            self.register_buffer(name, torch.tensor(value), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the regularised stair of ``x`` (training) or the stair of ``x`` (evaluation)."""
        if not self.training:
            return self.stair(x)
        q = self.stair.quantum
        forward = Noise(self.family, self.forward_mean * q, self.forward_spread * q, self.width)
        backward = None
        if self.backward_family is not None:
            backward = Noise(
                self.backward_family, self.backward_mean * q, self.backward_spread * q, self.width
            )
        return regularise(x, self.stair, forward, backward, strategy=self.strategy)

    def extra_repr(self) -> str:
        """Return the number of levels and the quantum."""
        return f"levels={len(self.stair.levels)}, quantum={self.stair.quantum:g}"


_INITIAL = {"forward_mean": 0.0, "forward_spread": 0.0, "backward_mean": 0.0, "backward_spread": 0.5}
