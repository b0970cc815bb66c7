"""Synchronisation: when each layer's noise decays, and how steeply, relative to the others."""

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["INTERVALS", "POWER_LAWS", "decay_intervals", "decay_powers", "shift"]

T = TypeVar("T")

SHORTEST = 0.01
"""No offset makes an interval shorter than this fraction of the budget (or than it was)."""

INTERVALS: dict[str, Callable[[int, int], tuple[float, float]]] = {
    "overlapped": lambda layer, layers: (0.0, 1.0),
    "same_start": lambda layer, layers: (0.0, (layer + 1) / layers),
    "same_end": lambda layer, layers: ((layers - 1 - layer) / layers, 1.0),
    "partition": lambda layer, layers: (layer / layers, (layer + 1) / layers),
    "reverse_same_start": lambda layer, layers: (0.0, (layers - layer) / layers),
    "reverse_partition": lambda layer, layers: ((layers - 1 - layer) / layers, (layers - layer) / layers),
}
"""Decay interval of ``layer`` (numbered from the input) out of ``layers``, as fractions of the budget."""

POWER_LAWS: dict[str, Callable[[int, int], float]] = {
    "homogeneous": lambda layer, layers: 1.0,
    "progressive": lambda layer, layers: float(layers - layer),
    "regressive": lambda layer, layers: float(layer + 1),
}
"""Power ``alpha`` of ``layer`` out of ``layers``."""


def decay_intervals(policy: str, layers: int, offsets: Sequence[float] | None = None) -> list[tuple[float, float]]:
    """Return each layer's decay interval ``(start, end)``, in fractions of the budget.

    Args:
        policy: a name in `INTERVALS` (the first four: Spallanzani, Leonardi and Benini, CVPR 2022, figure 3).
        layers: number of layers, numbered from the input.
        offsets: one a layer; each shifts its layer's interval, positive to later, within [0, 1].

    Raises:
        ValueError: an unknown policy, no layers, or offsets that do not match them in number.

    >>> decay_intervals("partition", layers=2)
    [(0.0, 0.5), (0.5, 1.0)]
    >>> decay_intervals("partition", layers=2, offsets=[0.25, 0.0])
    [(0.25, 0.75), (0.5, 1.0)]
    """
    interval = _choose("policy", policy, INTERVALS)
    _check_layers(layers)
    offsets = [0.0] * layers if offsets is None else offsets
    if len(offsets) != layers:
        raise ValueError(f"one offset a layer is needed: got {len(offsets)} for {layers} layers")
    return [shift(interval(layer, layers), offsets[layer]) for layer in range(layers)]


def decay_powers(law: str, layers: int) -> list[float]:
    """Return each layer's power: ``alpha`` for the mean, ``2 * alpha`` for the spread.

    Raises:
        ValueError: an unknown law, or no layers.

    >>> decay_powers("progressive", layers=3)
    [3.0, 2.0, 1.0]
    """
    power = _choose("law", law, POWER_LAWS)
    _check_layers(layers)
    return [power(layer, layers) for layer in range(layers)]


def shift(interval: tuple[float, float], offset: float) -> tuple[float, float]:
    """Return the interval moved by ``offset`` and clipped to [0, 1], but never empty.

    A part of at least `SHORTEST` (or of the interval's own length, if shorter) always remains.

    >>> shift((0.5, 1.0), 0.25)
    (0.75, 1.0)
    >>> shift((0.0, 0.5), -0.9)
    (0.0, 0.01)
    """
    start, end = interval
    least = min(SHORTEST, end - start)
    return min(max(start + offset, 0.0), 1.0 - least), max(min(end + offset, 1.0), least)


def _choose(what: str, name: str, allowed: dict[str, T]) -> T:
    if name not in allowed:
        raise ValueError(f"`{what}` must be one of {', '.join(allowed)}, but got {name!r}")
    return allowed[name]


def _check_layers(layers: int) -> None:
    if layers < 1:
        raise ValueError(f"`layers >= 1` must hold, but got layers={layers}")
