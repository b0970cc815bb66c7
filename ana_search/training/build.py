"""From a plan to its quantised network and the annealer that drives it."""

from torch import nn

from ana_search.ana import Annealer, StairFunction, quantise
from ana_search.networks import build_network
from ana_search.plan import TrainingPlan
from ana_search.training.random_state import seeded

__all__ = ["build", "network_of"]


def build(plan: TrainingPlan, input_shape: tuple[int, int, int], classes: int) -> tuple[nn.Module, Annealer]:
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
    return network, annealer


def network_of(plan: TrainingPlan, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the plan's quantised network with weights that mean nothing yet."""
    stairs = [
        (StairFunction.for_network(layer.weight_bits), StairFunction.for_network(layer.activation_bits))
        for layer in plan.layers
    ]
    network = build_network(plan.network, input_shape=input_shape, classes=classes)
    return quantise(network, layers=stairs, reset=False)
