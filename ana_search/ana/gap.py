"""The regularisation gap: how far the noisy network still is from the stair network it converges to."""

import torch
from torch import Tensor, nn

from ana_search.ana.evaluation import evaluating
from ana_search.ana.quantise import QuantisedLayer, quantised_layers
from ana_search.ana.quantiser import Quantiser

__all__ = ["regularisation_gap"]


def regularisation_gap(network: nn.Module, batch: Tensor) -> list[float]:
    """Return, for each quantised layer, the mean absolute difference that noise makes to its output, in its units.

    The network runs twice on the same batch, once with all its present forward noise and once with none, all
    else (batch normalisation, dropout) in evaluation mode; the ``l``-th number compares the compositions of
    layers 0 to ``l``, whose pointwise convergence is what the theorem of compositional convergence is about
    (Spallanzani, Leonardi and Benini, CVPR 2022, section 3). Neither the modes of the modules, their buffers
    nor the random state are changed.

    Args:
        network: a quantised network.
        batch: what the network takes.
    """
    layers = quantised_layers(network)
    if not layers:
        return []
    with evaluating(network), torch.no_grad():
        exact = _outputs(network, layers, batch)
        for module in network.modules():
            if isinstance(module, Quantiser):
                module.training = True
        devices = [batch.device] if batch.is_cuda else []
        with torch.random.fork_rng(devices):
            noisy = _outputs(network, layers, batch)
    return [(a - b).abs().mean().item() for a, b in zip(noisy, exact, strict=True)]


def _outputs(network: nn.Module, layers: list[QuantisedLayer], batch: Tensor) -> list[Tensor]:
    """Return the output of each layer (of its last activation, or of its map if it has none)."""
    outputs: dict[int, Tensor] = {}

    def keep(index: int) -> torch.utils.hooks.RemovableHandle:
        layer = layers[index]
        source = layer.activations[-1] if layer.activations else layer.map
        return source.register_forward_hook(lambda _module, _args, output: outputs.update({index: output}))

    handles = [keep(index) for index in range(len(layers))]
    try:
        network(batch)
    finally:
        for handle in handles:
            handle.remove()
    return [outputs[index] for index in range(len(layers))]
