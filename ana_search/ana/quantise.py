"""Turning an ordinary network into a quantised one, and finding its layers again."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import nn

from ana_search.ana.conversion import convert
from ana_search.ana.fitting import fit, fit_weights
from ana_search.ana.layers import QuantActivation, QuantisedLayer, QuantMap
from ana_search.ana.scale import ScaleKind
from ana_search.ana.scales import LayerScales, give_scales
from ana_search.ana.stairs import StairFunction

__all__ = ["QuantisedLayer", "fit_to_trained", "quantise", "quantised_layers"]

Start = Literal["random", "trained"]
"""Whether a network is drawn anew, or trained already."""


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
    start: Start = "random",
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
        example: an input of the network, or a tuple of inputs: for lazy modules, and with ``start="trained"``.
        scale: the scale of weights and activations: ``"fixed"``, ``"power_of_two"`` or ``"learned"`` (see `Scale`).
        signed: whether stairs in the place of activation functions have negative levels (default: as the function
            that they replace; those of ReLU have none).
        per_channel: give every output channel of a map's weights a scale of its own.
        start: ``"trained"`` where ``module`` is trained: its weights are kept, whatever ``reset`` says, and every
            quantiser gets the scale that fits (``"fixed"`` ones of weights are per channel). With an ``example`` of a
            thousand inputs or more in one batch, activations, biases and batch norm are fitted too, and weights make up
            for what the layers before them have lost (see `ana_search.ana.fitting`). Without one the scales of weights
            are all that is fitted: batch norm is then to be measured anew, and activations keep their range.

    Raises:
        NetworkError: nothing to quantise, ``layers`` does not match the maps in number, or a module is lazy and there
            is no example.
    """
    if start not in get_args(Start):
        raise ValueError(f"`start` must be one of {', '.join(get_args(Start))}, but got {start!r}")
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
    found = quantised_layers(network)
    give_scales(found, LayerScales(scale, scale, per_channel), every=start == "trained")
    if start == "trained":
        fit_to_trained(network, example)
    elif reset:
        for layer in found:
            layer.map.reset_weight(generator=generator)
    return network


def fit_to_trained(network: nn.Module, example: Any = None) -> None:
    """Fit a network that `quantise` made of a trained one, with scales for every quantiser, to its trained weights.

    Args:
        network: the quantised network, whose weights are still those of the network in floating point.
        example: an input of the network, or a tuple of inputs; ``None`` fits the scales of weights alone.

    Raises:
        NetworkError: the network fails on the example.
    """
    if example is None:
        fit_weights(quantised_layers(network))
    else:
        fit(network, quantised_layers(network), example if isinstance(example, tuple) else (example,))


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
