"""How much of its levels a network uses, and how much they still change: signs of scales that died, and of oscillation.

A layer whose weights, or whose activations, all have one level computes nothing; a learned scale that grew too large
does that. Weights that hover at a threshold and change their level at every step keep batch norm from settling (Nagel,
Fournarakis, Bondarenko and Blankevoort, ICML 2022, section 3).
"""

import torch
from torch import Tensor, nn

from ana_search.ana.evaluation import evaluating
from ana_search.ana.quantise import quantised_layers

__all__ = ["activation_levels", "weight_codes", "weight_levels"]


@torch.no_grad()
def weight_codes(network: nn.Module) -> list[Tensor]:
    """Return the level of every weight of each layer, as float, without scale."""
    return [layer.map.unscaled_weight() for layer in quantised_layers(network)]


def weight_levels(codes: list[Tensor]) -> tuple[int, ...]:
    """Return how many different levels the weights of each layer have."""
    return tuple(len(torch.unique(each)) for each in codes)


def activation_levels(network: nn.Module, batch: Tensor) -> tuple[int, ...]:
    """Return how many different levels the activations of each layer have, on a batch of what the network takes.

    It is 0 for a layer without a quantised activation; of several it is the one with the fewest.
    """
    layers = quantised_layers(network)
    found: list[list[int]] = [[] for _ in layers]
    handles = [
        activation.register_forward_hook(
            lambda _module, _args, output, at=at: found[at].append(len(torch.unique(output)))
        )
        for at, layer in enumerate(layers)
        for activation in layer.activations
    ]
    try:
        with evaluating(network), torch.no_grad():
            network(batch)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(min(each, default=0) for each in found)
