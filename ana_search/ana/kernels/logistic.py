"""The kernel of logistic noise: the density from the sigmoid."""

import torch
from torch import Tensor

from ana_search.ana.kernels.family import FamilyKernel


class LogisticKernel(FamilyKernel):
    """Logistic noise."""

    takes_powers = True

    def cdf_(self, z: Tensor) -> Tensor:
        """Return the sigmoid."""
        return z.sigmoid_()

    def bell_(self, z: Tensor) -> Tensor:
        """Return ``F (1 - F)`` with ``F`` the sigmoid."""
        return self.cdf_and_bell_(z)[1]

    def cdf_and_bell_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sigmoid ``F`` and ``F (1 - F)``."""
        f = self.cdf_(z)
        return f, torch.addcmul(f, f, f, value=-1)
