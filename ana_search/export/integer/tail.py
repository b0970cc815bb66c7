"""Operations behind the classifier, on floating-point numbers: what turns its results into logits or probabilities."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ana_search.export.integer.operations import Classifier, Operation

__all__ = ["FUNCTIONS", "PointwiseClassifier", "RealFunction", "RealMean"]

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda x: torch.softmax(x, 1),
    "log_softmax": lambda x: torch.log_softmax(x, 1),
}


class PointwiseClassifier(Classifier):
    """The classifier at every position: a 1 x 1 convolution in floating point, [N, C, ...] → [N, classes, ...].

    ``positions`` are the sizes behind the channels.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, scale: float, positions: Sequence[int]) -> None:
        super().__init__(weight, bias, scale)
        self.positions = tuple(positions)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the numbers of every class at every position."""
        flat = codes.to(torch.float64).flatten(2) * self.scale
        found = self.weight.double() @ flat + self.bias.double().unsqueeze(1)
        return found.reshape(codes.shape[0], -1, *codes.shape[2:]).to(torch.float32)


class RealFunction(Operation):
    """One of `FUNCTIONS` of floating-point numbers, in ``float64``; softmax is over the classes."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self.function = function

    def forward(self, values: Tensor) -> Tensor:
        """Return ``float32`` numbers in the shape of ``values``."""
        return FUNCTIONS[self.function](values.to(torch.float64)).to(torch.float32)


class RealMean(Operation):
    """The mean over all ``positions``: [N, C, ...] → [N, C, 1, ...] (``keep``) or [N, C]."""

    def __init__(self, keep: bool, positions: int) -> None:
        super().__init__()
        self.keep, self.positions = keep, positions

    def forward(self, values: Tensor) -> Tensor:
        """Return ``float32`` means."""
        over = tuple(range(2, values.dim()))
        return values.to(torch.float64).mean(dim=over, keepdim=self.keep).to(torch.float32)
