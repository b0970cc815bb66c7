"""A noise as `regularise` computes with it: its family and its numbers, each where it is cheapest."""

from typing import NamedTuple

import torch
from torch import Tensor

from ana_search.ana.elementwise import ahead, moved
from ana_search.ana.noise import Noise, NoiseFamily
from ana_search.ana.noise.base import TINY, Scalar

__all__ = ["ResolvedNoise"]


class ResolvedNoise(NamedTuple):
    """A noise with its numbers ready: Python numbers where that costs nothing, else 0-d tensors."""

    family: NoiseFamily
    mean: Scalar
    scale: Scalar
    """Native scale of the family, in units of the argument."""
    inverse: Scalar
    """Inverse of the scale, or of `TINY` if that is larger."""
    steepness: Scalar
    """The inverse again, or 0 for a tensor that says there is no noise: what a density is multiplied with."""
    most: float | None
    """Upper bound on the scale, if one is known: it limits the thresholds to look at."""
    given: Scalar
    """The scale on the device that it was given on: the host looks at it without waiting for a GPU."""

    @classmethod
    def of(cls, noise: Noise, device: torch.device) -> "ResolvedNoise":
        """Return the noise for arguments on ``device``."""
        family, mean, spread = noise.distribution, _number(noise.mean, device), _number(noise.spread, device)
        scale = family.scale(spread, noise.width)
        if not isinstance(scale, Tensor):
            number = 1.0 / max(scale, TINY)
            return cls(family, mean, scale, inverse=number, steepness=number, most=scale, given=scale)
        most = None if noise.most is None else noise.most * family.factor(noise.width)
        inverse = ahead(1.0 / scale.clamp_min(TINY))
        steepness = ahead(torch.where(scale > TINY, inverse, 0.0))
        return cls(family, mean, scale, inverse, steepness, most, given=noise.scale)

    @property
    def none(self) -> bool:
        """Whether there is known to be no noise."""
        return not isinstance(self.scale, Tensor) and self.scale <= TINY


def _number(value: Scalar, device: torch.device) -> Scalar:
    """Return a 0-d tensor as a Python number, unless that takes compiling anew or waiting for a GPU."""
    if not isinstance(value, Tensor):
        return value
    if torch.compiler.is_compiling():
        return moved(value, device)
    return value if value.device == device and device.type != "cpu" else float(value)
