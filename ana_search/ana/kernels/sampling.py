"""Random levels: the stair of the argument less one sample of noise for every element."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ana_search.ana.kernels.blocks import Block
from ana_search.ana.kernels.hashing import Source, random_uniform
from ana_search.ana.kernels.numbers import NoiseNumbers
from ana_search.ana.kernels.stair import exact_block
from ana_search.ana.kernels.tables import HALVES, noise_from_tables
from ana_search.ana.noise.noise import LEAST_SCALE

if TYPE_CHECKING:
    from ana_search.ana.stairs import StairFunction


def sampled(x: Tensor, stair: "StairFunction", noise: NoiseNumbers, source: Source, block: Block) -> Tensor:
    """Return ``stair(x - noise)`` for a block of arguments, with an independent sample of noise for every element.

    Noise is the quantile of a random number or, where that takes a function and the CPU would compute it, comes from
    tables.
    """
    family, mean, scale = noise.family, noise.mean, noise.scale
    if family.name in HALVES and x.device.type == "cpu" and not isinstance(source, torch.Generator):
        sample = noise_from_tables(x, family, source, block)
    else:
        sample = family.quantile(random_uniform(x, source, block.start))
    if isinstance(scale, Tensor):
        y = sample.mul_(torch.where(scale > LEAST_SCALE, -scale, 0.0)).add_(x)
    else:
        y = torch.add(x, sample, alpha=-scale, out=sample)
    if isinstance(mean, Tensor) or mean:
        y.sub_(mean)
    if stair.grid is None or isinstance(scale, Tensor):  # which may be 0, and then `y` on a threshold
        return exact_block(y, stair)
    return stair.grid.nearest(y, len(stair.thresholds))
