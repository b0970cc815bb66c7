"""Weight bytes, bit operations and mean bits of a plan's network: what follows from its maps and their bits.

Bit operations are those of van Baalen et al., "Bayesian Bits: Unifying Quantization and Pruning" (NeurIPS 2020):
``BOPs(l) = MACs(l) * b_w(l) * b_a(l)``, with the multiply-adds ``MACs`` of map ``l``, the bits ``b_w`` of its weights
and ``b_a`` of the activations that it reads.
"""

import math

import torch

from ana_search.ana import StairFunction
from ana_search.export.integer import storage_bits
from ana_search.hardware.maps import FLOAT_BITS, INPUT, LinearMap, linear_maps
from ana_search.plan import TrainingPlan
from ana_search.training.build import layer_stairs

__all__ = ["figures"]


def figures(plan: TrainingPlan) -> dict[str, float]:
    """Return ``bytes``, ``operations`` and ``weight_bits`` of a plan's network (see `ana_search.objectives`).

    Without quantised layers there are no ``weight_bits``. Raises as `linear_maps`.
    """
    maps = linear_maps(plan)
    stairs = [layer_stairs(layer) for layer in plan.layers]
    weights = [weight for weight, _ in stairs]
    activations = [activation.bits for _, activation in stairs]
    source = FLOAT_BITS if plan.data.input_bits == "float" else plan.data.input_bits
    found: dict[str, float] = {
        "bytes": sum(_bytes(one, weights) for one in maps),
        "operations": sum(
            one.multiply_adds
            * (FLOAT_BITS if one.layer is None else weights[one.layer].bits)
            * max((source if layer == INPUT else activations[layer] for layer in one.reads), default=FLOAT_BITS)
            for one in maps
        ),
    }
    sizes = [(one.weights, weights[one.layer].bits) for one in maps if one.layer is not None]
    if sizes:
        found["weight_bits"] = sum(count * bits for count, bits in sizes) / sum(count for count, _ in sizes)
    return found


def _bytes(one: LinearMap, weights: list[StairFunction]) -> int:
    if one.layer is None:
        return (one.weights + one.biases) * FLOAT_BITS // 8
    return math.ceil(one.weights * storage_bits(torch.tensor(weights[one.layer].levels)) / 8)
