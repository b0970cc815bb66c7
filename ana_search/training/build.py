"""From a plan to its quantised network and the annealer that drives it."""

from collections.abc import Callable

from torch import nn

from ana_search.ana import Annealer, StairFunction, quantise, quantised_layers
from ana_search.ana.annealer import give_method
from ana_search.ana.layers import QuantMap
from ana_search.ana.scales import LayerScales, give_scales
from ana_search.networks import build_network
from ana_search.plan import LayerPlan, TrainingPlan
from ana_search.training.random_state import seeded
from ana_search.training.weights_file import load_weights

__all__ = ["build", "layer_stairs", "network_of"]

_MAPS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_CLASSIFIER_DEVIATION = 0.01


def build(
    plan: TrainingPlan, input_shape: tuple[int, ...], classes: int, trained: nn.Module | None = None
) -> tuple[nn.Module, Annealer]:
    """Return the plan's quantised network, with its initial weights, and its annealer, both on the CPU.

    Weights that are drawn are drawn from the plan's seed alone; torch's own random state is left as it was. Trained
    ones are copied, and are then to be fitted (see `ana_search.ana.fit_to_trained`).

    Args:
        plan: the plan.
        input_shape: of an example.
        classes: their number.
        trained: the network in floating point of the plan that starts from ``"float"``; without it, random weights
            take the place of trained ones.

    Raises:
        NetworkError: the network cannot be built or quantised as the plan says, or has not the weights of the file that
            it starts from.
    """
    start = plan.training.start

    def fill(network: nn.Module) -> None:
        if start == "float" and trained is not None:
            network.load_state_dict(trained.state_dict())
        elif start not in ("random", "float"):
            load_weights(network, start)

    with seeded(plan.seed, "weights"):
        network = network_of(plan, input_shape, classes, fill)
        annealer = Annealer(
            network,
            [layer.weights for layer in plan.layers],
            [layer.activations for layer in plan.layers],
            seed=plan.seed,
        )
        if start == "random":
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


def network_of(
    plan: TrainingPlan, input_shape: tuple[int, ...], classes: int, fill: Callable[[nn.Module], None] | None = None
) -> nn.Module:
    """Return the plan's quantised network with arbitrary weights, which the caller replaces.

    ``fill`` gives the network in floating point its weights, before it is quantised. One that starts from trained
    weights has a scale in every quantiser.
    """
    stairs = [layer_stairs(layer) for layer in plan.layers]
    network = build_network(plan.network, input_shape=input_shape, classes=classes)
    if fill is not None:
        fill(network)
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
    _equip(quantised, plan.layers, every_scale=plan.training.start != "random")
    return quantised


def _equip(network: nn.Module, plans: tuple[LayerPlan, ...], every_scale: bool) -> None:
    """Give the quantisers the scales and estimators of their layers, which may have parameters of their own."""
    layers = quantised_layers(network)
    kinds = [LayerScales(p.weight_scale, p.activation_scale, p.scale_per == "channel") for p in plans]
    give_scales(layers, kinds, every=every_scale)
    for layer, plan in zip(layers, plans, strict=True):
        give_method(layer.map.weight_quantiser, plan.weights.method)
        for activation in layer.activations:
            give_method(activation.quantiser, plan.activations.method)
