"""The expectation of a stair under noise, and its derivative, block by block."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ana_search.ana.kernels.blocks import Block, blockwise, in_working_precision
from ana_search.ana.kernels.family import FamilyKernel
from ana_search.ana.kernels.logistic import LogisticKernel
from ana_search.ana.kernels.normal import NormalKernel
from ana_search.ana.kernels.numbers import NoiseNumbers, Scalar
from ana_search.ana.kernels.stair import exact_block
from ana_search.ana.kernels.thresholds import noisy_thresholds
from ana_search.ana.kernels.triangular import TriangularKernel
from ana_search.ana.kernels.uniform import UniformKernel
from ana_search.ana.noise import NoiseFamily
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


def _kernel(family: NoiseFamily) -> FamilyKernel:
    return KERNELS.get(family.name, FamilyKernel)(family)


def expectation(x: Tensor, stair: "StairFunction", noise: NoiseNumbers, out: Tensor | None = None) -> Tensor:
    """Return the expectation for one block of arguments, perhaps in ``out``."""
    kernel = _kernel(noise.family)
    if stair.spacing is None:
        smooth = _weighted(kernel.cdf_, noise.inverse, x, stair, noise.mean).add_(stair.scaled_levels[0])
    else:
        unit, thresholds = noisy_thresholds(stair, noise)
        smooth = kernel.expected_level(x if unit == 1.0 else x * unit, thresholds, out)
    return _unless_none(smooth, x, stair, noise)


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
    kernel, (unit, thresholds) = _kernel(noise.family), noisy_thresholds(stair, noise)
    slope = torch.empty_like(x)

    def block(part: Tensor, slope_of_part: Tensor | None, place: Block) -> Tensor:
        assert slope_of_part is not None
        y = part if unit == 1.0 else part * unit
        return _unless_none(kernel.level_and_slope(y, thresholds, slope_of_part, place.out), part, stair, noise)

    return blockwise(block, x, slope), slope


def keeps_slope(x: Tensor, stair: "StairFunction", noise: NoiseNumbers) -> bool:
    """Whether the derivative is computed with the value and kept, instead of ``x``, for the backward pass.

    Not where computing it costs less than reading it: that of uniform noise, in compiled code for a CPU that of
    triangular noise too, on a GPU any.
    """
    if stair.spacing is None or noise.none or in_working_precision(x) is not x:
        return False
    if torch.compiler.is_compiling():
        return x.device.type == "cpu" and _kernel(noise.family).takes_powers
    return not isinstance(noise.scale, Tensor) and noise.family.name != "uniform"


def slope_times(gradient: Tensor, x: Tensor, stair: "StairFunction", noise: NoiseNumbers) -> Tensor:
    """Return ``gradient`` times the derivative of the expectation at ``x``."""
    if noise.none:
        return torch.zeros_like(x)
    kernel = _kernel(noise.family)

    def block(part: Tensor, of_gradient: Tensor | None, place: Block) -> Tensor:
        assert of_gradient is not None
        part, of_gradient = in_working_precision(part), in_working_precision(of_gradient)
        if stair.spacing is None:
            density = _weighted(kernel.bell_, kernel.bell_unit * noise.inverse, part, stair, noise.mean)
            return density.mul_(of_gradient).mul_(kernel.peak * noise.steepness)
        unit, thresholds = noisy_thresholds(stair, noise)
        return kernel.slope_times(of_gradient, part if unit == 1.0 else part * unit, thresholds, place.out)

    return blockwise(block, x, gradient)


def _weighted(
    function: Callable[[Tensor], Tensor], unit: Scalar, x: Tensor, stair: "StairFunction", mean: Scalar
) -> Tensor:
    """Return the sum of ``function(unit * (x - mean - t_k))``, weighted with the jumps of an uneven stair."""
    levels = stair.scaled_levels
    total: Tensor | None = None
    for k, threshold in enumerate(stair.scaled_thresholds):
        term = function((x - (mean + threshold)).mul_(unit)).mul_(levels[k + 1] - levels[k])
        total = term if total is None else total.add_(term)
    assert total is not None
    return total
