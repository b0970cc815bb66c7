"""Weight bytes, bit operations and mean bits of a plan's network: what follows from its maps and their bits.

Bit operations are those of van Baalen et al., "Bayesian Bits: Unifying Quantization and Pruning" (NeurIPS 2020):
``BOPs(l) = MACs(l) * b_w(l) * b_a(l)``, with the multiply-adds ``MACs`` of map ``l``, the bits ``b_w`` of its weights
and ``b_a`` of the activations that it reads.
"""

import math

from ana_search.ana import StairFunction
from ana_search.hardware.maps import FLOAT_BITS, INPUT, LinearMap, linear_maps
from ana_search.plan import TrainingPlan
from ana_search.training.build import layer_stairs

__all__ = ["figures", "packed_bits"]

_CONTAINERS = (2, 4, 8)
"""The bits that files pack codes into, ONNX's ``INT2``, ``INT4`` and ``INT8``."""


def figures(plan: TrainingPlan) -> dict[str, float]:
    """Return ``bytes``, ``operations`` and ``weight_bits`` of a plan's network (see `ana_search.objectives`).

    Without quantised layers there are no ``weight_bits``. Raises as `linear_maps`.
    """
    maps = linear_maps(plan)
    stairs = [layer_stairs(layer) for layer in plan.layers]
    weights = [weight for weight, _ in stairs]
    activations = [nominal_bits(activation) for _, activation in stairs]
    source = FLOAT_BITS if plan.data.input_bits == "float" else plan.data.input_bits
    found: dict[str, float] = {
        "bytes": sum(_bytes(one, weights) for one in maps),
        "operations": sum(
            one.multiply_adds
            * (FLOAT_BITS if one.layer is None else nominal_bits(weights[one.layer]))
            * max((source if layer == INPUT else activations[layer] for layer in one.reads), default=FLOAT_BITS)
            for one in maps
        ),
    }
    sizes = [(one.weights, nominal_bits(weights[one.layer])) for one in maps if one.layer is not None]
    if sizes:
        found["weight_bits"] = sum(count * bits for count, bits in sizes) / sum(count for count, _ in sizes)
    return found


def nominal_bits(stair: StairFunction) -> int:
    """Return the bits that tell all levels of a stair apart: 1 for two levels, 2 for three or four."""
    return math.ceil(math.log2(len(stair.levels)))


def packed_bits(stair: StairFunction) -> int:
    """Return 2, 4 or 8: the narrowest signed integers that hold every level of a stair.

    >>> [packed_bits(StairFunction.from_bits(bits)) for bits in (1, 2, 3, 4, 5)]
    [2, 2, 4, 4, 8]
    """
    for bits in _CONTAINERS:
        if -(2 ** (bits - 1)) <= stair.levels[0] and stair.levels[-1] < 2 ** (bits - 1):
            return bits
    return _CONTAINERS[-1]


def _bytes(one: LinearMap, weights: list[StairFunction]) -> int:
    if one.layer is None:
        return (one.weights + one.biases) * FLOAT_BITS // 8
    return math.ceil(one.weights * packed_bits(weights[one.layer]) / 8)
