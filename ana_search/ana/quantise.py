"""Turning an ordinary network into a quantised one, and finding its layers again."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ana_search.ana.layers import (
    QuantActivation,
    QuantConv1d,
    QuantConv2d,
    QuantConv3d,
    QuantLinear,
    QuantMap,
)
from ana_search.ana.stairs import StairFunction
from ana_search.errors import NetworkError

__all__ = ["ACTIVATIONS", "QuantisedLayer", "quantise", "quantised_layers"]

_MAPS: dict[type[nn.Module], Callable[..., QuantMap]] = {
    nn.Linear: QuantLinear.from_float,
    nn.Conv1d: QuantConv1d.from_float,
    nn.Conv2d: QuantConv2d.from_float,
    nn.Conv3d: QuantConv3d.from_float,
}

ACTIVATIONS: tuple[type[nn.Module], ...] = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Tanh,
    nn.Sigmoid,
    nn.Softplus,
)
"""The modules that `quantise` takes for activation functions."""


@dataclass(frozen=True)
class QuantisedLayer:
    """A quantised linear map and the quantised activations between it and the next one."""

    index: int
    name: str
    map: QuantMap
    activations: tuple[QuantActivation, ...]


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
) -> nn.Module:
    """Return a quantised copy of ``module``, which itself is left alone; the two share nothing.

    Linear maps (`Linear`, `Conv1d`, `Conv2d`, `Conv3d`) get quantised weights and activation modules
    (`ACTIVATIONS`) become stairs, in the order of registration. Everything else stays.

    Args:
        module: an ordinary network. Its activation functions must be modules: calls such as
            ``torch.relu`` inside ``forward`` cannot be seen.
        weights: stair of every map's weights (default: ternary).
        activations: stair of every activation (default: ternary).
        layers: instead of both, one pair (weights, activations) a quantised layer.
        keep_first: leave the first map, and the activations before the second, in floating point.
        keep_last: leave the last map, and the activations after it, in floating point.
        reset: draw the weights of the quantised maps anew, near the thresholds; else they are copied.
        generator: source of the new weights (default: torch's own).

    Raises:
        NetworkError: nothing to quantise, or ``layers`` does not match the maps in number.
    """
    network = copy.deepcopy(module)
    found = [(name, old) for name, old in network.named_modules() if type(old) in (*_MAPS, *ACTIVATIONS)]
    maps = [old for _, old in found if type(old) in _MAPS]
    wanted = maps[int(keep_first) : len(maps) - int(keep_last)]
    if not wanted:
        raise NetworkError(
            f"no linear map to quantise in {type(module).__name__}: it has {len(maps)}, with "
            f"keep_first={keep_first} and keep_last={keep_last}"
        )
    pairs = list(layers) if layers is not None else [_pair(weights, activations)] * len(wanted)
    if len(pairs) != len(wanted):
        raise NetworkError(
            f"`layers` must hold one pair for each of the {len(wanted)} quantised layers, got {len(pairs)}"
        )
    replaced: dict[nn.Module, nn.Module] = {}
    current: tuple[StairFunction, StairFunction] | None = None
    for _, old in found:
        if type(old) in _MAPS:
            current = pairs[wanted.index(old)] if old in wanted else None
            if current is not None:
                replaced[old] = _MAPS[type(old)](old, current[0])
        elif current is not None:
            replaced[old] = QuantActivation(current[1]).train(old.training)
    network = _replace(network, replaced)
    if reset:
        for layer in quantised_layers(network):
            layer.map.reset_weight(generator=generator)
    return network


def quantised_layers(network: nn.Module) -> list[QuantisedLayer]:
    """Return the quantised layers, numbered in the order of registration.

    An activation belongs to the last map registered before it.
    """
    groups: list[tuple[str, QuantMap, list[QuantActivation]]] = []
    for name, module in network.named_modules():
        if isinstance(module, QuantMap):
            groups.append((name, module, []))
        elif isinstance(module, QuantActivation) and groups:
            groups[-1][2].append(module)
    return [QuantisedLayer(i, name, map_, tuple(acts)) for i, (name, map_, acts) in enumerate(groups)]


def _pair(weights: StairFunction | None, activations: StairFunction | None) -> tuple[StairFunction, StairFunction]:
    return weights or StairFunction.ternary(), activations or StairFunction.ternary()


def _replace(network: nn.Module, replaced: dict[nn.Module, nn.Module]) -> nn.Module:
    """Put the new modules in every place of the old ones, also of one that is used in several."""
    if network in replaced:
        return replaced[network]
    for parent in list(network.modules()):
        for name, child in list(parent._modules.items()):  # `named_children` leaves out repetitions
            if child is not None and child in replaced:
                setattr(parent, name, replaced[child])
    return network
