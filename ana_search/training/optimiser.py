"""The optimiser of a plan and its learning rate over the steps."""

import torch
from torch import nn
from torch.optim import Optimizer

from ana_search.plan import TrainingSettings

__all__ = ["learning_rate_at", "make_optimiser"]

_DROP = 0.1
_MOMENTUM = 0.9


def make_optimiser(network: nn.Module, settings: TrainingSettings) -> Optimizer:
    """Return Adam, AdamW or SGD (Nesterov momentum 0.9) over all parameters of the network."""
    parameters, rate, decay = network.parameters(), settings.learning_rate, settings.weight_decay
    if settings.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=_MOMENTUM, nesterov=True, weight_decay=decay)
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    return torch.optim.Adam(parameters, lr=rate, weight_decay=decay)


def learning_rate_at(step: int, steps: int, settings: TrainingSettings) -> float:
    """Return the learning rate of a step: a tenth for the last ``lr_drop`` fraction of all steps."""
    dropped = step >= (1.0 - settings.lr_drop) * steps
    return settings.learning_rate * (_DROP if dropped else 1.0)
