"""The kernel of triangular noise: distribution function and density from one absolute value."""

import torch
from torch import Tensor

from ana_search.ana.kernels.family import FamilyKernel


class TriangularKernel(FamilyKernel):
    """Triangular noise."""

    def cdf_(self, z: Tensor) -> Tensor:
        """Return the distribution function, rounded as when the density is computed with it."""
        return self.cdf_and_bell_(z)[0]

    def bell_(self, z: Tensor) -> Tensor:
        """Return the density ``max(1 - |z|, 0)``."""
        return torch.rsub(z.abs_(), 1.0).clamp_min_(0.0)

    def cdf_and_bell_(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return both from one ``|z|``: the distribution function is ``1/2 + z (1 + density) / 2``."""
        density = torch.rsub(z.clamp_(-1.0, 1.0).abs(), 1.0)
        return z.addcmul_(z, density).mul_(0.5).add_(0.5), density
