"""The expectation of a stair under noise, and its derivative, block by block."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ana_search.ana.kernels.blocks import Block, blockwise, in_working_precision
from ana_search.ana.kernels.family import FamilyKernel
from ana_search.ana.kernels.logistic import LogisticKernel
from ana_search.ana.kernels.normal import NormalKernel
from ana_search.ana.kernels.numbers import NoiseNumbers
from ana_search.ana.kernels.stair import exact_block
from ana_search.ana.kernels.triangular import TriangularKernel
from ana_search.ana.kernels.uniform import UniformKernel
from ana_search.ana.noise.noise import LEAST_SCALE

if TYPE_CHECKING:
    from ana_search.ana.stairs import StairFunction

KERNELS: dict[str, type[FamilyKernel]] = {
    "uniform": UniformKernel,
    "triangular": TriangularKernel,
    "normal": NormalKernel,
    "logistic": LogisticKernel,
}
"""The families that have kernels of their own; that of any other is made from its functions."""


def _kernel(stair: "StairFunction", noise: NoiseNumbers) -> FamilyKernel:
    return KERNELS.get(noise.family.name, FamilyKernel)(stair, noise)


def expectation(x: Tensor, stair: "StairFunction", noise: NoiseNumbers, out: Tensor | None = None) -> Tensor:
    """Return the expectation for one block of arguments, perhaps in ``out``."""
    return _unless_none(_kernel(stair, noise).level(x, out), x, stair, noise)


def without_noise(x: Tensor, stair: "StairFunction", noise: NoiseNumbers) -> Tensor:
    """Return the exact stair of ``x`` less the mean, for one block of arguments."""
    shifted = isinstance(noise.mean, Tensor) or noise.mean
    return exact_block(in_working_precision(x) - noise.mean if shifted else x, stair)


def _unless_none(smooth: Tensor, x: Tensor, stair: "StairFunction", noise: NoiseNumbers) -> Tensor:
    """Return ``smooth``, or the exact stair where a tensor says that there is no noise."""
    if not isinstance(noise.scale, Tensor):
        return smooth
    return torch.where(noise.scale > LEAST_SCALE, smooth, without_noise(x, stair, noise))


def value_and_slope(x: Tensor, stair: "StairFunction", noise: NoiseNumbers) -> tuple[Tensor, Tensor]:
    """Return the expectation and its derivative, for a stair and a noise that `keeps_slope`."""
    kernel, slope = _kernel(stair, noise), torch.empty_like(x)

    def block(part: Tensor, slope_of_part: Tensor | None, place: Block) -> Tensor:
        assert slope_of_part is not None
        return _unless_none(kernel.level_and_slope(part, slope_of_part, place.out), part, stair, noise)

    return blockwise(block, x, slope), slope


def keeps_slope(x: Tensor, noise: NoiseNumbers) -> bool:
    """Whether the derivative is computed with the value and kept, instead of ``x``, for the backward pass.

    Not where computing it costs less than reading it: that of uniform noise, in compiled code for a CPU that of
    triangular noise too, on a GPU any.
    """
    if noise.none or in_working_precision(x) is not x:
        return False
    if torch.compiler.is_compiling():
        return x.device.type == "cpu" and KERNELS.get(noise.family.name, FamilyKernel).takes_powers
    return not isinstance(noise.scale, Tensor) and noise.family.name != "uniform"


def slope_times(gradient: Tensor, x: Tensor, stair: "StairFunction", noise: NoiseNumbers) -> Tensor:
    """Return ``gradient`` times the derivative of the expectation at ``x``."""
    if noise.none:
        return torch.zeros_like(x)
    kernel = _kernel(stair, noise)

    def block(part: Tensor, of_gradient: Tensor | None, place: Block) -> Tensor:
        assert of_gradient is not None
        return kernel.slope_times(in_working_precision(of_gradient), in_working_precision(part), place.out)

    return blockwise(block, x, gradient)
