"""Giving the quantisers of a network their scales."""

from collections.abc import Sequence
from dataclasses import dataclass

from ana_search.ana.layers import QuantActivation, QuantisedLayer
from ana_search.ana.scale import Scale, ScaleKind, significant_bits
from ana_search.errors import NetworkError

__all__ = ["LayerScales", "give_scales"]


@dataclass(frozen=True)
class LayerScales:
    """The kinds of one layer's scales, and whether every output channel of its weights has one of its own.

    ``"fixed"`` weights per tensor, and ``"fixed"`` activations, get none at all: their scale is the stair's quantum.
    """

    weights: ScaleKind = "fixed"
    activations: ScaleKind = "fixed"
    per_channel: bool = False


def give_scales(
    layers: Sequence[QuantisedLayer], wanted: LayerScales | Sequence[LayerScales], *, every: bool = False
) -> None:
    """Give the quantisers of a network that `quantise` made scales of 1; a scale that is there already stays.

    Activations whose codes are added or put side by side share the scale of the first of them, and so its kind. Those
    that are multiplied, that bound a function of range [0, 1], or of a network without a graph, have none.

    Args:
        layers: what `quantised_layers` returns.
        wanted: the kinds of every layer, or one for all of them.
        every: give fixed scales to those too that would have none, to be fitted; each channel of weights its own.

    Raises:
        NetworkError: not one entry for each quantised layer.
    """
    each_wanted = [wanted] * len(layers) if isinstance(wanted, LayerScales) else wanted
    if len(each_wanted) != len(layers):
        raise NetworkError(f"one entry a layer is needed: got {len(each_wanted)} for {len(layers)} layers")
    for layer, kinds in zip(layers, each_wanted, strict=True):
        quantiser = layer.map.weight_quantiser
        fixed = kinds.weights == "fixed"
        if quantiser.scale is None and (not fixed or kinds.per_channel or every):
            channels = len(layer.map.weight) if kinds.per_channel or fixed else None
            quantiser.scale = Scale(kinds.weights, channels).to(layer.map.weight.device)
    for grid in _grids(layers):
        first = min(grid, key=lambda pair: pair[0])
        kind = each_wanted[first[0]].activations
        if (kind == "fixed" and not every) or first[1].quantiser.scale is not None:
            continue
        most = max(len(activation.stair.levels) for _, activation in grid)
        scale = Scale(kind, significant=significant_bits(most)).to(layers[first[0]].map.weight.device)
        for _, activation in grid:
            activation.quantiser.scale = scale


def _grids(layers: Sequence[QuantisedLayer]) -> list[list[tuple[int, QuantActivation]]]:
    """Return the activations that may have a scale, with their layers' numbers: one list for each scale."""
    found: dict[int, list[tuple[int, QuantActivation]]] = {}
    for layer in layers:
        for activation in layer.activations:
            if activation.grid is not None:
                found.setdefault(activation.grid, []).append((layer.index, activation))
    return list(found.values())
