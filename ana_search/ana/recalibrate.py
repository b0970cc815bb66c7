"""Measuring the statistics of batch norm anew on the network that is kept: the exact stairs, without noise.

Batch norm follows the noisy network by a moving average; the stair network's activations are distributed otherwise
(Nagel et al., ICML 2022, section 4.2, re-estimate them for the same reason).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ana_search.ana.evaluation import evaluating

__all__ = ["averaging", "recalibrate"]

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm


def recalibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the running statistics of every batch norm to the mean of those of ``batches`` (inputs of the network).

    Every other module is evaluated: quantisers are exact stairs, dropout is off. A network without batch norm, or with
    one that keeps no statistics, is left as it is.
    """
    if not _norms(network):
        return
    with evaluating(network), averaging(network), torch.no_grad():
        for inputs in batches:
            network(inputs)


def _norms(network: nn.Module) -> list[BatchNorm]:
    return [m for m in network.modules() if isinstance(m, BatchNorm) and m.track_running_stats]


@contextmanager
def averaging(network: nn.Module) -> Iterator[None]:
    """Let every batch norm take the mean over all batches of the block (a momentum of ``None``), in training mode."""
    norms = _norms(network)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
