"""The annealing schedule of one layer, and the annealer that applies the schedules of all layers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import torch
from torch import nn

from ana_search.ana.freezing import REFRESHES
from ana_search.ana.methods import METHODS, estimator_of
from ana_search.ana.noise import SpreadMeasure
from ana_search.ana.quantise import quantised_layers
from ana_search.ana.quantiser import Quantiser
from ana_search.ana.schedules import SCHEDULES
from ana_search.ana.strategies import Strategy
from ana_search.errors import NetworkError

__all__ = ["Annealer", "LayerSchedule", "NoiseState", "give_method", "with_method"]

Backward = Literal["same", "static", "annealed"]
Mask = Literal["shared", "own"]
"""Whether all samples of a batch have the same elements frozen, or each its own."""

_LEAST_SPREAD = 1e-6  # in steps; below it single precision cannot tell the regularised stair from the stair


@dataclass(frozen=True)
class LayerSchedule:
    """How the noise of one quantiser is annealed.

    Times are fractions of the annealing budget: 0 is the first optimiser step, 1 the end of the anneal.
    At time ``t`` the forward noise has mean ``mean * decay(t, start, end, mean_alpha)`` and spread
    ``spread * decay(t, start, end, spread_alpha)``, both in steps of the stair (see `StairFunction.step`).
    From ``end`` on there is no forward noise, unless a power is 0: what is static keeps its value for ever.

    ``method`` is one of `ana_search.ana.methods.METHODS`; what it fixes (``Method.schedule``) overrides the other
    fields. With ``method = "freezing"`` the spread stays, and a random fraction ``1 - decay(t, start, end,
    spread_alpha)`` of the elements is replaced by the hard stair: in expectation, noise that is zero with that
    probability. Elements that are frozen have no gradient, but for the one that ``backward`` gives them when
    it is not ``"same"``. Every element draws anew ``refreshes`` times over the budget whether it is one of them;
    ``mask`` says whether all samples of a batch have the same ones.

    ``backward`` says which noise the gradient is taken under: ``"same"`` the forward noise; ``"static"``
    ``backward_spread`` of ``backward_noise``, for ever; ``"annealed"`` the same, decaying over
    ``[backward_start, backward_end]`` with power ``backward_alpha``.
    """

    noise: str = "uniform"
    strategy: Strategy = "expectation"
    mean: float = 0.0
    spread: float = 0.5
    start: float = 0.0
    end: float = 1.0
    decay: str = "power"
    mean_alpha: float = 1.0
    spread_alpha: float = 2.0
    spread_measure: SpreadMeasure = "interval"
    method: str = "noise"
    refreshes: float = REFRESHES
    mask: Mask = "shared"
    backward: Backward = "same"
    backward_noise: str = "uniform"
    backward_spread: float = 0.5
    backward_start: float = 0.0
    backward_end: float = 1.0
    backward_alpha: float = 1.0


@dataclass(frozen=True)
class NoiseState:
    """The noise of one quantiser at one moment; means and spreads are in steps of its stair."""

    forward_mean: float
    forward_spread: float
    backward_mean: float
    backward_spread: float
    frozen: float = 0.0
    """Fraction of the elements that are hard already, under ``method = "freezing"``."""


def noise_state(schedule: LayerSchedule, t: float) -> NoiseState:
    """Return the noise that ``schedule`` prescribes at time ``t``, a fraction of the annealing budget."""
    decay = SCHEDULES[schedule.decay]
    mean = schedule.mean * decay(t, schedule.start, schedule.end, schedule.mean_alpha)
    spread = decay(t, schedule.start, schedule.end, schedule.spread_alpha)
    frozen = 0.0
    if schedule.method == "freezing":
        frozen, spread = 1.0 - spread, 1.0 if spread > 0.0 else 0.0
    spread = _spread(schedule.spread * spread)
    if schedule.backward == "same":
        return NoiseState(mean, spread, mean, spread, frozen)
    backward = schedule.backward_spread
    if schedule.backward == "annealed":
        backward *= decay(t, schedule.backward_start, schedule.backward_end, schedule.backward_alpha)
    return NoiseState(mean, spread, 0.0, _spread(backward), frozen)


def with_method(schedule: LayerSchedule) -> LayerSchedule:
    """Return the schedule with the fields that its method fixes. Raises `NetworkError` for an unknown method."""
    if schedule.method not in METHODS:
        raise NetworkError(f"method: got {schedule.method!r}; allowed: {', '.join(METHODS)}")
    return replace(schedule, **METHODS[schedule.method].schedule)  # type: ignore[arg-type]  # a test holds the names


def give_method(quantiser: Quantiser, method: str, device: torch.device | str = "cpu") -> None:
    """Give a quantiser the estimator of a method on a device, unless it has that already; it may have parameters."""
    if quantiser.method != method:
        made = estimator_of(method, quantiser.stair)
        quantiser.estimator = None if made is None else made.to(device)
        quantiser.method = method


def _spread(spread: float) -> float:
    # Steep powers reach spreads whose densities overflow; so little noise is none.
    return spread if spread >= _LEAST_SPREAD else 0.0


class Annealer:
    """Applies the schedules of all layers to a quantised network.

    Args:
        network: a network made by `quantise`.
        schedules: one a quantised layer, in the order of `quantised_layers`, for the weights.
        activation_schedules: the same for the activations (default: the weights' schedules).
        seed: sets the masks of progressive freezing apart from those of other runs.

    Raises:
        NetworkError: the schedules do not match the layers in number, or name an unknown method.
    """

    def __init__(
        self,
        network: nn.Module,
        schedules: Sequence[LayerSchedule],
        activation_schedules: Sequence[LayerSchedule] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        layers = quantised_layers(network)
        activation_schedules = schedules if activation_schedules is None else activation_schedules
        for given in (schedules, activation_schedules):
            if len(given) != len(layers):
                raise NetworkError(
                    f"one schedule a layer is needed: got {len(given)} schedules for {len(layers)} layers"
                )
        self.schedules = tuple(map(with_method, schedules))
        self.activation_schedules = tuple(map(with_method, activation_schedules))
        self._layers = layers
        device = layers[0].map.weight.device if layers else torch.device("cpu")
        for number, (quantiser, schedule) in enumerate(self._quantisers()):
            quantiser.strategy = schedule.strategy
            quantiser.family = schedule.noise
            quantiser.backward_family = None if schedule.backward == "same" else schedule.backward_noise
            quantiser.spread_measure = schedule.spread_measure
            quantiser.most_spread = max(schedule.spread, schedule.backward_spread)
            give_method(quantiser, schedule.method, device)
            quantiser.freezing = schedule.method == "freezing"
            quantiser.refreshes, quantiser.same_mask = schedule.refreshes, schedule.mask == "shared"
            quantiser.seed = seed * 65_536 + number
        self.set(0.0)

    def state(self, t: float) -> list[tuple[NoiseState, NoiseState]]:
        """Return each layer's noise (of the weights, of the activations) at time ``t``; changes nothing."""
        return [
            (noise_state(weights, t), noise_state(activations, t))
            for weights, activations in zip(self.schedules, self.activation_schedules, strict=True)
        ]

    def set(self, t: float) -> None:
        """Give every quantiser its noise of time ``t`` (0: first step; 1 or more: what is not static has decayed)."""
        for quantiser, schedule in self._quantisers():
            for name, value in asdict(noise_state(schedule, t)).items():
                getattr(quantiser, name).fill_(value)
            quantiser.time.fill_(min(t, 1.0))

    def reset_weights(self, generator: torch.Generator | None = None) -> None:
        """Draw all quantised weights anew, near the thresholds and shifted by each layer's initial mean."""
        for layer, schedule in zip(self._layers, self.schedules, strict=True):
            layer.map.reset_weight(noise_state(schedule, 0.0).forward_mean, generator)

    def _quantisers(self) -> list[tuple[Quantiser, LayerSchedule]]:
        pairs = []
        for layer, weights, activations in zip(self._layers, self.schedules, self.activation_schedules, strict=True):
            pairs.append((layer.map.weight_quantiser, weights))
            pairs.extend((activation.quantiser, activations) for activation in layer.activations)
        return pairs
