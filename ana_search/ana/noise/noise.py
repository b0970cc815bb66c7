"""One noise: a family, its mean and its spread."""

import math
from dataclasses import dataclass

from torch import Tensor

from ana_search.ana.noise.base import NoiseFamily, SpreadMeasure
from ana_search.ana.noise.families import NOISE_FAMILIES

__all__ = ["LEAST_SCALE", "Noise"]

LEAST_SCALE = 1e-20
"""Noise of no larger scale than this is none: no floating-point argument is as close to a threshold."""


@dataclass(frozen=True)
class Noise:
    """Additive noise, in the units of what it is added to.

    Args:
        family: a name in `NOISE_FAMILIES`.
        mean: where the noise is centred; a number or a 0-d tensor.
        spread: half-width of the interval around the mean that holds the noise (all of it for uniform and
            triangular, 95 % of it for normal and logistic); a number or a 0-d tensor. 0 is no noise.
        most: an upper bound on a spread that is a tensor. Compiled code, which cannot look at the tensor, then
            evaluates only the thresholds that such noise can reach, and not all those of a stair with many.
        spread_measure: ``"deviation"`` makes ``spread / sqrt(3)`` the standard deviation instead.

    Raises:
        ValueError: an unknown family or measure of the spread, or a spread that is negative or not finite.
    """

    family: str
    mean: float | Tensor = 0.0
    spread: float | Tensor = 0.0
    spread_measure: SpreadMeasure = "interval"
    most: float | None = None

    def __post_init__(self) -> None:
        if self.family not in NOISE_FAMILIES:
            raise ValueError(f"`family` must be one of {', '.join(NOISE_FAMILIES)}, but got {self.family!r}")
        if self.spread_measure not in ("interval", "deviation"):
            raise ValueError(f"`spread_measure` must be interval or deviation, but got {self.spread_measure!r}")
        if not isinstance(self.spread, Tensor) and not (0.0 <= self.spread < math.inf):
            raise ValueError(f"`0 <= spread < inf` must hold, but got spread={self.spread}")

    @property
    def distribution(self) -> NoiseFamily:
        """The noise family."""
        return NOISE_FAMILIES[self.family]

    @property
    def scale(self) -> float | Tensor:
        """The native scale of the family at this spread."""
        return self.distribution.scale(self.spread, self.spread_measure)
