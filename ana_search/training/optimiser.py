"""The optimiser of a plan."""

from collections.abc import Iterable
from typing import TypedDict

import torch
from torch import nn
from torch.optim import Optimizer

from ana_search.plan import TrainingSettings

__all__ = ["make_optimiser", "steps_per_epoch"]

_MOMENTUM = 0.9


class _Common(TypedDict):
    """The arguments that all optimisers take."""

    lr: float
    weight_decay: float
    fused: bool


def make_optimiser(network: nn.Module, settings: TrainingSettings) -> Optimizer:
    """Return Adam, AdamW or SGD (Nesterov momentum 0.9) over all parameters of the network."""
    parameters = list(network.parameters())
    common: _Common = {
        "lr": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        # Updates all parameters in one kernel; without it narrow networks spend an eighth of a step in the optimiser.
        "fused": all(parameter.device.type in ("cpu", "cuda") for parameter in parameters),
    }
    groups = _groups(parameters) if settings.weight_decay_of == "weights" else [{"params": parameters}]
    if settings.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=_MOMENTUM, nesterov=True, **common)
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(groups, **common)
    return torch.optim.Adam(groups, **common)


def _groups(parameters: Iterable[nn.Parameter]) -> list[dict[str, object]]:
    """Return the weights of linear maps, and what has one dimension (biases, batch norm), which does not decay."""
    weights: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in parameters:
        (weights if parameter.dim() > 1 else others).append(parameter)
    return [{"params": weights}, {"params": others, "weight_decay": 0.0}]


def steps_per_epoch(settings: TrainingSettings, images: int) -> int:
    """Return how many steps an epoch of so many images has.

    A last batch of one image is left out, whatever the settings say: batch norm can make nothing of it.
    """
    batch_size = min(settings.batch_size, images)
    keeps_rest = settings.last_batch == "keep" and images % batch_size > 1
    return images // batch_size + keeps_rest
