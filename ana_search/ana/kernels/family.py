"""The kernel of any noise family, made from its distribution function and its density."""

from typing import ClassVar

import torch
from torch import Tensor

from ana_search.ana.kernels.thresholds import NoisyThresholds, level, sums
from ana_search.ana.noise import NoiseFamily


class FamilyKernel:
    """Expected levels, and their derivatives, of uniform stairs under noise of one family.

    Functions whose name ends in an underscore may overwrite their argument.
    """

    peak: ClassVar[float] = 1.0
    bell_unit: ClassVar[float] = 1.0
    """The density is ``peak * bell(bell_unit * z)``: constants that a sum of densities needs only once."""
    takes_powers: ClassVar[bool] = False
    """Whether the density takes powers, and not just a few products."""

    def __init__(self, family: NoiseFamily) -> None:
        self.family = family

    def cdf_(self, z: Tensor) -> Tensor:
        """Return the distribution function."""
        return self.family.cdf(z)

    def bell_(self, z: Tensor) -> Tensor:
        """Return the density in other units, ``pdf(z / bell_unit) / peak``."""
        return self.family.pdf(z)

    def cdf_and_bell_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return `cdf_` and ``pdf / peak``, which may share work."""
        density = self.bell_(z * self.bell_unit)
        return self.cdf_(z), density

    def expected_level(self, y: Tensor, thresholds: NoisyThresholds, out: Tensor | None = None) -> Tensor:
        """Return ``lowest + jump * sum_k cdf((y - t_k) / scale)`` over the noisy thresholds, perhaps in ``out``.

        Only the thresholds that noise can reach from ``y`` are evaluated: those below count 1, those above 0.
        """
        lowest, (total,) = sums(lambda z: (self.cdf_(z),), 1.0, y, thresholds, self.family.reach)
        return level(total, lowest, thresholds, out)

    def slope_times(
        self, gradient: Tensor, y: Tensor, thresholds: NoisyThresholds, out: Tensor | None = None
    ) -> Tensor:
        """Return ``gradient`` times the derivative of `expected_level` by the argument, perhaps in ``out``."""
        _, (total,) = sums(lambda z: (self.bell_(z),), self.bell_unit, y, thresholds, self.family.reach)
        return torch.mul(total.mul_(self.peak * thresholds.steepness), gradient, out=out)

    def level_and_slope(
        self, y: Tensor, thresholds: NoisyThresholds, slope: Tensor, out: Tensor | None = None
    ) -> Tensor:
        """Return `expected_level` and write its derivative by the argument into ``slope``: cheaper together."""
        lowest, (total, density) = sums(self.cdf_and_bell_, 1.0, y, thresholds, self.family.reach)
        torch.mul(density, self.peak * thresholds.steepness, out=slope)
        return level(total, lowest, thresholds, out)
