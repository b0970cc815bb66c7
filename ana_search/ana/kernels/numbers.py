"""A noise as the kernels compute with it: its numbers, each where it is cheapest."""

from typing import NamedTuple

import torch
from torch import Tensor

from ana_search.ana.noise import Noise, NoiseFamily
from ana_search.ana.noise.noise import LEAST_SCALE

Scalar = float | Tensor
"""A Python number or a 0-d tensor."""


class NoiseNumbers(NamedTuple):
    """A noise with its numbers ready: Python numbers where that costs nothing, else 0-d tensors."""

    family: NoiseFamily
    mean: Scalar
    scale: Scalar
    """Native scale of the family, in units of the argument."""
    inverse: Scalar
    """Inverse of the scale, or of `LEAST_SCALE` if that is larger."""
    steepness: Scalar
    """The inverse again, or 0 for a tensor that says there is no noise: what a density is multiplied with."""
    most: float | None
    """Upper bound on the scale, if one is known: it limits the thresholds to look at."""
    given: Scalar
    """The scale on the device that it was given on: the host looks at it without waiting for a GPU."""

    @classmethod
    def of(cls, noise: Noise, device: torch.device) -> "NoiseNumbers":
        """Return the numbers of a noise for arguments on ``device``."""
        family, mean, spread = noise.distribution, _number(noise.mean, device), _number(noise.spread, device)
        scale = family.scale(spread, noise.spread_measure)
        if not isinstance(scale, Tensor) and torch.compiler.is_compiling() and scale > LEAST_SCALE:
            scale = torch.tensor(scale, dtype=torch.float64, device=device)
        if not isinstance(scale, Tensor):
            number = 1.0 / max(scale, LEAST_SCALE)
            return cls(family, mean, scale, inverse=number, steepness=number, most=scale, given=scale)
        most = None if noise.most is None else noise.most * family.factor(noise.spread_measure)
        inverse = 1.0 / scale.clamp_min(LEAST_SCALE)
        steepness = torch.where(scale > LEAST_SCALE, inverse, 0.0)
        return cls(family, mean, scale, inverse, steepness, most, given=noise.scale)

    @property
    def none(self) -> bool:
        """Whether there is known to be no noise."""
        return not isinstance(self.scale, Tensor) and self.scale <= LEAST_SCALE


def _number(value: Scalar, device: torch.device) -> Scalar:
    """Return a 0-d tensor as a Python number, unless that takes compiling anew or waiting for a GPU."""
    if not isinstance(value, Tensor):
        return value
    if torch.compiler.is_compiling():
        return on_device(value, device)
    return value if value.device == device and device.type != "cpu" else float(value)


def on_device(value: Tensor, device: torch.device) -> Tensor:
    """Return ``value`` on ``device``: on a GPU without waiting for what that has still to do."""
    return value.to(device, non_blocking=device.type != "cpu")


def place_of_numbers(x: Tensor, number: Tensor) -> torch.device:
    """Return the device on which 0-d tensors like ``number`` are computed with, for elements where ``x`` is.

    A GPU takes single numbers from the CPU with each kernel; compiled code has them on the device.
    """
    return x.device if torch.compiler.is_compiling() else number.device
