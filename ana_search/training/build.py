"""From a plan to its quantised network and the annealer that drives it."""

from torch import nn

from ana_search.ana import Annealer, StairFunction, quantise, quantised_layers
from ana_search.ana.annealer import give_method
from ana_search.ana.layers import QuantMap
from ana_search.ana.scales import LayerScales, give_scales
from ana_search.networks import build_network
from ana_search.plan import LayerPlan, TrainingPlan
from ana_search.training.random_state import seeded

__all__ = ["build", "layer_stairs", "network_of"]

_MAPS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_CLASSIFIER_DEVIATION = 0.01


def build(plan: TrainingPlan, input_shape: tuple[int, ...], classes: int) -> tuple[nn.Module, Annealer]:
    """Return the plan's quantised network, with its initial weights, and its annealer, both on the CPU.

    The weights are drawn from the plan's seed alone; torch's own random state is left as it was.

    Raises:
        NetworkError: the network cannot be built or quantised as the plan says.
    """
    with seeded(plan.seed, "weights"):
        network = network_of(plan, input_shape, classes)
        annealer = Annealer(
            network,
            [layer.weights for layer in plan.layers],
            [layer.activations for layer in plan.layers],
            seed=plan.seed,
        )
        annealer.reset_weights()
        if plan.network.classifier == "normal":
            _reset_classifier(network)
    return network, annealer


def _reset_classifier(network: nn.Module) -> None:
    """Draw the weights of the maps that stay in floating point from N(0, 0.01**2), and set their biases to 0."""
    for module in network.modules():
        if isinstance(module, _MAPS) and not isinstance(module, QuantMap):
            nn.init.normal_(module.weight, 0.0, _CLASSIFIER_DEVIATION)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def layer_stairs(layer: LayerPlan) -> tuple[StairFunction, StairFunction]:
    """Return the stairs of one layer: of its weights, and of its activations."""
    return StairFunction.for_network(layer.weight_bits), StairFunction.for_network(layer.activation_bits)


def network_of(plan: TrainingPlan, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the plan's quantised network with arbitrary weights, which the caller replaces."""
    stairs = [layer_stairs(layer) for layer in plan.layers]
    network = build_network(plan.network, input_shape=input_shape, classes=classes)
    if not plan.layers:
        return network
    quantised = quantise(
        network,
        layers=stairs,
        keep_first=plan.network.keep_first,
        keep_last=plan.network.keep_last,
        signed=plan.network.signed,
        reset=False,
    )
    _equip(quantised, plan.layers)
    return quantised


def _equip(network: nn.Module, plans: tuple[LayerPlan, ...]) -> None:
    """Give the quantisers the scales and estimators of their layers, which may have parameters of their own."""
    layers = quantised_layers(network)
    kinds = [LayerScales(p.weight_scale, p.activation_scale, p.scale_per == "channel") for p in plans]
    give_scales(layers, kinds)
    for layer, plan in zip(layers, plans, strict=True):
        give_method(layer.map.weight_quantiser, plan.weights.method)
        for activation in layer.activations:
            give_method(activation.quantiser, plan.activations.method)
