"""The optimiser of a plan and its learning rate over the steps."""

from typing import TypedDict

import torch
from torch import nn
from torch.optim import Optimizer

from ana_search.plan import TrainingSettings

__all__ = ["learning_rate_at", "make_optimiser", "steps_per_epoch"]

_DROP = 0.1
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
    if settings.optimiser == "sgd":
        return torch.optim.SGD(parameters, momentum=_MOMENTUM, nesterov=True, **common)
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(parameters, **common)
    return torch.optim.Adam(parameters, **common)


def steps_per_epoch(settings: TrainingSettings, images: int) -> int:
    """Return how many steps an epoch of so many images has.

    A last batch of one image is left out, whatever the settings say: batch norm can make nothing of it.
    """
    batch_size = min(settings.batch_size, images)
    keeps_rest = settings.last_batch == "keep" and images % batch_size > 1
    return images // batch_size + keeps_rest


def learning_rate_at(step: int, steps: int, settings: TrainingSettings) -> float:
    """Return the learning rate of a step: a tenth for the last ``lr_drop`` fraction of all steps."""
    dropped = step >= (1.0 - settings.lr_drop) * steps
    return settings.learning_rate * (_DROP if dropped else 1.0)
