"""What every noise family offers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

__all__ = ["NoiseFamily", "Scalar", "Width"]

Width = Literal["interval", "deviation"]

Scalar = float | Tensor
"""A Python number or a 0-d tensor."""


class NoiseFamily(ABC):
    """A symmetric, unimodal distribution in its native standard units ``z = (x - mean) / scale``.

    All methods keep the shape, dtype and device of their argument.
    """

    name: ClassVar[str]
    interval: ClassVar[float]
    """Half-width, in native units, of the interval that `spread` measures: all of a bounded distribution,
    95 % of an unbounded one."""
    deviation: ClassVar[float]
    """Standard deviation in native units."""
    reach: ClassVar[float]
    """Distance, in native units, beyond which less than 1e-9 of the distribution lies."""

    flat: ClassVar[bool] = False
    """Whether the density is constant where it is not zero."""

    @abstractmethod
    def cdf(self, z: Tensor) -> Tensor:
        """Return the distribution function."""

    @abstractmethod
    def pdf(self, z: Tensor) -> Tensor:
        """Return the density, the derivative of `cdf` (from the right where it has two)."""

    @abstractmethod
    def quantile(self, v: Tensor) -> Tensor:
        """Return the value below which noise lies with probability ``(1 + v) / 2``, for ``v`` in (-1, 1)."""

    @abstractmethod
    def probability(self, z: float) -> float:
        """Return `cdf` of one Python number, in double precision."""

    def scale(self, spread: Scalar, width: Width = "interval") -> Scalar:
        """Return the native scale of noise with this spread, in the spread's units.

        With ``width="interval"`` the interval ``mean ± spread`` holds the noise (all of it, or 95 % of an
        unbounded family); with ``"deviation"`` the standard deviation is ``spread / sqrt(3)``, which is the
        same thing for uniform noise.
        """
        return spread * self.factor(width)

    def factor(self, width: Width = "interval") -> float:
        """Return the native scale of noise with spread 1."""
        return 1.0 / self.interval if width == "interval" else 1.0 / (math.sqrt(3.0) * self.deviation)

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
        return self.quantile((2.0 * u - 1.0).clamp_(-nearly, nearly)).to(dtype or torch.get_default_dtype())

    def ladder_cdf(self, y: Tensor, first: Scalar, scale: Scalar, n: int, most: float | None) -> Tensor:
        """Return the sum of ``cdf((y - r) / scale)`` over the ``n`` rungs ``r = first, first + 1, ...``.

        Only the rungs that noise can reach from ``y`` are evaluated: those below count 1, those above 0.
        ``most`` bounds ``scale`` from above (``None``: no bound is known).
        """
        count = self._reachable(most, n)
        below = _below(y, first, count, n)
        total = self._sum(self.cdf, y if below is None else y - below, first, scale, count)
        return total if below is None else total + below

    def ladder_pdf(self, y: Tensor, first: Scalar, scale: Scalar, n: int, most: float | None) -> Tensor:
        """Return the derivative of `ladder_cdf`, the sum of ``pdf((y - r) / scale) / scale``."""
        count = self._reachable(most, n)
        below = _below(y, first, count, n)
        total = self._sum(self.pdf, y if below is None else y - below, first, scale, count)
        return total * (1.0 / scale)

    def _reachable(self, most: float | None, n: int) -> int:
        """Return how many of ``n`` rungs noise with at most this scale can cross from one point."""
        return n if most is None else min(n, max(1, math.ceil(2.0 * self.reach * most)))

    def _sum(
        self, function: Callable[[Tensor], Tensor], y: Tensor, first: Scalar, scale: Scalar, count: int
    ) -> Tensor:
        # Subtracting before scaling keeps the difference exact near a rung, however small the scale.
        inverse = 1.0 / scale
        total = function((y - first) * inverse)
        for j in range(1, count):
            total = total + function((y - (first + j)) * inverse)
        return total


def _below(y: Tensor, first: Scalar, count: int, n: int) -> Tensor | None:
    """Return how many rungs lie below the ``count`` nearest ones (``None``: these are all ``n``)."""
    return torch.ceil(y - (first + 0.5 * count)).clamp(0.0, float(n - count)) if count < n else None
