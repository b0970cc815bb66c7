"""Turning an ordinary network into a quantised one, and finding its layers again."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ana_search.ana.conversion import convert
from ana_search.ana.layers import QuantActivation, QuantisedLayer, QuantMap
from ana_search.ana.scale import ScaleKind
from ana_search.ana.scales import LayerScales, give_scales
from ana_search.ana.stairs import StairFunction

__all__ = ["QuantisedLayer", "quantise", "quantised_layers"]


def quantise(
    module: nn.Module,
    weights: StairFunction | None = None,
    activations: StairFunction | None = None,
    *,
    layers: Sequence[tuple[StairFunction, StairFunction]] | None = None,
    keep_first: bool = False,
    keep_last: bool = True,
    reset: bool = True,
    generator: torch.Generator | None = None,
    example: Any = None,
    scale: ScaleKind = "fixed",
    per_channel: bool = False,
    signed: bool | None = None,
) -> nn.Module:
    """Return a quantised copy of ``module``, which itself is left alone; the two share nothing.

    The network is converted by its graph (`torch.fx`), in order of execution. Linear maps (`Linear`, `Conv1d`,
    `Conv2d`, `Conv3d`, and the functions of these names on parameters) get quantised weights. Activation functions,
    modules and calls alike, become stairs, each use one of its own: as given for hard tanh and its like; unsigned,
    with as many bits, for ReLU; smooth ones (GELU, SiLU, sigmoid and their like) are computed and then quantised.
    Every other value that a quantised map reads, or that is added to or put beside another, gets a stair too.

    Where modules in the places of others are enough, the result is of the class of ``module``; else it is a
    `torch.fx.GraphModule` with the same names of modules. What stays in floating point is named in a
    `FloatPartWarning` and by `float_parts`. A network without a graph (branches on values) is converted module by
    module in the order of registration, with a warning that says why.

    Args:
        module: an ordinary network.
        weights: stair of every map's weights (default: ternary).
        activations: stair of every activation (default: ternary).
        layers: instead of both, one pair (weights, activations) a quantised layer, in order of execution.
        keep_first: leave the first map, and the activations before the second, in floating point.
        keep_last: leave the last map, and the activations after it, in floating point.
        reset: draw the weights of the quantised maps anew, near the thresholds; else they are copied.
        generator: source of the new weights (default: torch's own).
        example: an input of the network, or a tuple of inputs; only lazy modules need it.
        scale: the scale of weights and activations: ``"fixed"``, ``"power_of_two"`` or ``"learned"`` (see `Scale`).
        signed: whether stairs in the place of activation functions have negative levels (default: as the function
            that they replace; those of ReLU have none).
        per_channel: give every output channel of a map's weights a scale of its own.

    Raises:
        NetworkError: nothing to quantise, ``layers`` does not match the maps in number, or a module is lazy and there
            is no example.
    """
    one = (weights or StairFunction.ternary(), activations or StairFunction.ternary())
    network = convert(
        module,
        [one] if layers is None else layers,
        one_pair=layers is None,
        keep_first=keep_first,
        keep_last=keep_last,
        example=example,
        signed=signed,
    )
    give_scales(quantised_layers(network), LayerScales(scale, scale, per_channel))
    if reset:
        for layer in quantised_layers(network):
            layer.map.reset_weight(generator=generator)
    return network


def quantised_layers(network: nn.Module) -> list[QuantisedLayer]:
    """Return the quantised layers, numbered in the order of execution.

    In a network whose layers were not all made by one call of `quantise` the order is that of registration, and an
    activation belongs to the last map registered before it.
    """
    found = [(n, m) for n, m in network.named_modules() if isinstance(m, QuantMap | QuantActivation)]
    positions = [part.position for _, part in found]
    maps = [part.position for _, part in found if isinstance(part, QuantMap)]
    if None not in positions and len(set(maps)) == len(maps):
        found.sort(key=lambda each: each[1].position or (0, 0))
    groups: list[tuple[str, QuantMap, list[QuantActivation]]] = []
    for name, module in found:
        if isinstance(module, QuantMap):
            groups.append((name, module, []))
        elif groups:
            groups[-1][2].append(module)
    return [QuantisedLayer(i, name, map_, tuple(acts)) for i, (name, map_, acts) in enumerate(groups)]
