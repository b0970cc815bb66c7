"""Conversion without a graph: activation modules become quantisers in order of registration."""

from collections.abc import Sequence

from torch import nn

from ana_search.ana.conversion import stairs
from ana_search.ana.conversion.roles import activation_of_module, is_converted, map_type
from ana_search.ana.layers import QuantActivation
from ana_search.ana.stairs import StairFunction

__all__ = ["activations_by_registration"]


def activations_by_registration(
    network: nn.Module, layers: dict[str, int], activations: Sequence[StairFunction], signed: bool | None = None
) -> dict[str, nn.Module]:
    """Return the quantisers of all activation modules after a quantised map, by name.

    An activation belongs to the last map that was registered before it. What is added to what is not known without a
    graph: the activations get no grid, and so no scale.
    """
    made: dict[str, nn.Module] = {}
    layer: int | None = None
    for order, (name, part) in enumerate(network.named_modules()):
        if map_type(part) is not None:
            layer = layers.get(name)
        elif layer is not None and is_converted(part):
            function = activation_of_module(part)
            new = QuantActivation(stairs.for_function(activations[layer], function.signed, signed))
            new.position = (layer, order)
            new.replaces = part.forward
            made[name] = new.train(part.training)
    return made
