"""What every noise family is: a distribution in native units, and how wide its noise of a given spread is."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

__all__ = ["NoiseFamily", "SpreadMeasure"]

SpreadMeasure = Literal["interval", "deviation"]


class NoiseFamily(ABC):
    """A symmetric, unimodal, log-concave distribution in its native units ``z = (x - mean) / scale``.

    Methods keep the shape, dtype and device of their argument and leave it alone.
    """

    name: ClassVar[str]
    interval: ClassVar[float]
    """Half-width, in native units, of the interval that `spread` measures: all of a bounded distribution,
    95 % of an unbounded one."""
    deviation: ClassVar[float]
    """Standard deviation in native units."""
    reach: ClassVar[float]
    """Distance, in native units, beyond which less than 1e-9 of the distribution lies."""

    @abstractmethod
    def cdf(self, z: Tensor) -> Tensor:
        """Return the distribution function."""

    @abstractmethod
    def pdf(self, z: Tensor) -> Tensor:
        """Return the density, the derivative of `cdf` (from the right where it has two)."""

    @abstractmethod
    def quantile(self, v: Tensor) -> Tensor:
        """Return what noise stays below with probability ``(1 + v) / 2``, for ``v`` in (-1, 1)."""

    def scale(self, spread: float | Tensor, spread_measure: SpreadMeasure = "interval") -> float | Tensor:
        """Return the native scale of noise with this spread, in the spread's units.

        With ``spread_measure="interval"`` the interval ``mean ± spread`` holds the noise (all of it, or 95 % of an
        unbounded family); with ``"deviation"`` the standard deviation is ``spread / sqrt(3)``, which is the
        same thing for uniform noise.
        """
        return spread * self.factor(spread_measure)

    def factor(self, spread_measure: SpreadMeasure = "interval") -> float:
        """Return the native scale of noise with spread 1."""
        return 1.0 / self.interval if spread_measure == "interval" else 1.0 / (math.sqrt(3.0) * self.deviation)

    def sample(
        self,
        shape: Sequence[int],
        generator: torch.Generator | None = None,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Return independent samples in native units, of the given shape.

        ``generator`` defaults to torch's own for the device; the device defaults to the generator's.
        """
        if device is None and generator is not None:
            device = generator.device
        u = torch.rand(tuple(shape), generator=generator, dtype=torch.float64, device=device)
        nearly = 1.0 - 2.0**-53
        v = u.mul_(2.0).sub_(1.0).clamp_(-nearly, nearly)
        return self.quantile(v).to(dtype or torch.get_default_dtype())
