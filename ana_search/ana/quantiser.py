"""The quantiser module: one stair, its scale, and what regularises it now."""

import torch
from torch import Tensor, nn

from ana_search.ana.freezing import REFRESHES, frozen_mask
from ana_search.ana.kernels.scaled import divided, multiplied, summed_by_channel
from ana_search.ana.noise import Noise, SpreadMeasure
from ana_search.ana.regularise import regularise
from ana_search.ana.scale import Scale
from ana_search.ana.stairs import StairFunction
from ana_search.ana.strategies import Strategy

__all__ = ["Quantiser"]


class Quantiser(nn.Module):
    """A stair function that is regularised while training and exact in evaluation.

    A fresh quantiser has no forward noise and a static uniform backward noise of spread 1/2: the clipped
    straight-through estimator. What changes from step to step is kept in 0-d float32 tensors, so that changing
    it compiles nothing anew. They are no buffers: the annealer derives them from the step, and they stay on the CPU
    wherever the network goes. A GPU is then given plain numbers with each kernel, instead of a kernel of its own
    for every product of two numbers.

    A quantiser may have a scale (see `Scale`), and an estimator of its own instead of noise (see
    `ana_search.ana.methods`).

    Args:
        stair: the stair.
        batched: whether the first dimension of the argument counts samples (which freeze together).
    """

    forward_mean: Tensor
    """Mean of the forward noise, in steps of the stair, as are the next three."""
    forward_spread: Tensor
    backward_mean: Tensor
    backward_spread: Tensor
    frozen: Tensor
    """Fraction of the elements that are frozen, with ``freezing``."""
    time: Tensor
    """The moment, as a fraction of the annealing budget."""

    def __init__(self, stair: StairFunction, *, batched: bool = False) -> None:
        super().__init__()
        self.stair = stair
        self.batched = batched
        self.scale: Scale | None = None
        """What stair and argument are multiplied by; ``None`` is 1."""
        self.method = "noise"
        """The name of the method that ``estimator`` belongs to (see `ana_search.ana.annealer.give_method`)."""
        self.estimator: nn.Module | None = None
        """Computes value and gradient in training from an argument and the time, in the place of noise."""
        self.strategy: Strategy = "expectation"
        self.family = "uniform"
        """Family of the forward noise."""
        self.backward_family: str | None = "uniform"
        """Family of the gradient's noise; ``None``: the forward noise, whatever the backward numbers are."""
        self.spread_measure: SpreadMeasure = "interval"
        self.most_spread: float | None = None
        """Upper bound on both spreads, if known: compiled code is faster for it (see `Noise`)."""
        self.freezing = False
        """Whether a growing random part is hard and the rest noisy, instead of all being noisy."""
        self.refreshes = REFRESHES
        """How often each element draws anew whether it is frozen, over the whole annealing budget."""
        self.same_mask = True
        """Whether all samples of a batch have the same elements frozen."""
        self.seed = 0
        """Sets the masks of this quantiser apart from others'."""
        for name, value in _FRESH.items():
            setattr(self, name, torch.tensor(value, dtype=torch.float32, device="cpu"))

    def forward(self, x: Tensor) -> Tensor:
        """Return the regularised stair of ``x`` (training) or the stair of ``x`` (evaluation), scaled.

        In evaluation the value has no noise, but a gradient that is asked for is still that of training.
        """
        if self.scale is None:
            return self._regularised(x)
        scale = self._scale(x)
        if scale.dim() == 0 and (self.estimator is None or not any(True for _ in self.estimator.parameters())):
            return multiplied(self._regularised(divided(x, scale)), scale)
        scale = _as_factor(scale, x)
        return self._regularised(x / scale) * scale

    def parts(self, weight: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the regularised stair of weights [out, ...] divided by the scale, and the scale.

        The scale, [out] or [], must multiply the sums that the first is used in; its gradient comes from the first.
        """
        if self.scale is None:
            return self._regularised(weight), None
        scale = self._scale(weight)
        codes = self._regularised(weight / _as_factor(scale, weight))
        return summed_by_channel(codes, scale), scale.detach()

    def _scale(self, x: Tensor) -> Tensor:
        assert self.scale is not None
        each = max(len(x), 1) if self.batched and x.dim() else max(self.scale.latent.numel(), 1)
        scale: Tensor = self.scale(x.numel() // each, self.stair.levels[-1], self.stair.quantum)
        return scale

    def exact_parts(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what `parts` returns in evaluation, without a gradient."""
        if self.scale is None:
            return self.stair(x.detach()), None
        scale = _as_factor(self.scale.value, x)
        return self.stair(x.detach() / scale), scale

    def _regularised(self, x: Tensor) -> Tensor:
        if not self.training and not (x.requires_grad and torch.is_grad_enabled()):
            return self.stair(x)
        if self.estimator is not None:
            result: Tensor = self.estimator(x, self.time)
            return result
        noise, backward = self.noise()
        value, own = (noise, None) if self.training else (Noise(self.family), noise)
        if not self.freezing:
            return regularise(x, self.stair, value, backward or own, strategy=self.strategy)
        hard = regularise(x, self.stair, Noise(self.family), backward) if backward else self.stair(x)
        soft = regularise(x, self.stair, value, own, strategy=self.strategy)
        return torch.where(self.mask(x), hard, soft)

    def noise(self) -> tuple[Noise, Noise | None]:
        """Return the forward and the backward noise (``None``: the same), in units of the argument."""
        step = self.stair.step
        most = None if self.most_spread is None else self.most_spread * step
        forward = Noise(self.family, self.forward_mean * step, self.forward_spread * step, self.spread_measure, most)
        if self.backward_family is None:
            return forward, None
        mean, spread = self.backward_mean * step, self.backward_spread * step
        return forward, Noise(self.backward_family, mean, spread, self.spread_measure, most)

    def mask(self, x: Tensor) -> Tensor:
        """Return which elements are frozen; with ``same_mask`` those of all samples of a batch are the same."""
        one = x[:1] if self.batched and self.same_mask and x.dim() else x  # a batch may be empty
        return frozen_mask(one, self.frozen, self.time, self.seed, self.refreshes)

    def extra_repr(self) -> str:
        """Return the number of levels and the quantum."""
        return f"levels={len(self.stair.levels)}, quantum={self.stair.quantum:g}"


def _as_factor(scale: Tensor, x: Tensor) -> Tensor:
    """Return a scale [out] or [] so that it multiplies ``x`` [out, ...]."""
    return scale.reshape(-1, *[1] * (x.dim() - 1)) if scale.dim() else scale


_FRESH = {
    "forward_mean": 0.0,
    "forward_spread": 0.0,
    "backward_mean": 0.0,
    "backward_spread": 0.5,
    "frozen": 0.0,
    "time": 0.0,
}
