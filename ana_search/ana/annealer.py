"""The annealing schedule of one layer, and the annealer that applies the schedules of all layers."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["LayerSchedule"]

Strategy = Literal["expectation", "mode", "random"]
Backward = Literal["same", "static", "annealed"]
Method = Literal["noise", "freezing"]
Width = Literal["interval", "deviation"]


@dataclass(frozen=True)
class LayerSchedule:
    """How the noise of one quantiser is annealed.

    Times are fractions of the annealing budget: 0 is the first optimiser step, 1 the end of the anneal.
    At time ``t`` the forward noise has mean ``mean * shape(t, start, end, mean_alpha)`` and spread
    ``spread * shape(t, start, end, spread_alpha)``; mean and spread are in units of the stair's quantum.
    From ``t = 1`` on there is no forward noise.

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
    shape: str = "power"
    mean_alpha: float = 1.0
    spread_alpha: float = 2.0
    width: Width = "interval"
    method: Method = "noise"
    backward: Backward = "same"
    backward_noise: str = "uniform"
    backward_spread: float = 0.5
    backward_start: float = 0.0
    backward_end: float = 1.0
    backward_alpha: float = 1.0
