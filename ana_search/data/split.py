"""The three parts of a data set, fixed by the plan's data section alone."""

import torch
from torch import Tensor

from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = ["pick", "split"]

_SEED = 20220619  # of every split; a split never depends on a trial


def pick(labels: Tensor, count: int, where: str) -> Tensor:
    """Return ``count`` positions, each class in proportion, in random but fixed order.

    Raises:
        DataError: fewer images than that; ``where`` says of what.
    """
    if count > len(labels):
        raise DataError(
            f"data.train_size: got {count}; {where} has {len(labels)} images, allowed: at most that"
        )
    return _interleaved(labels)[:count].sort().values


def split(labels: Tensor, plan: DataPlan) -> tuple[Tensor, Tensor]:
    """Return the positions of the training and of the validation part, each class in proportion.

    The validation part is the fraction ``plan.validation``, or fold ``plan.fold`` of ``plan.folds``.
    """
    order = _interleaved(labels)
    if plan.folds is not None:
        fold = torch.arange(len(labels)) % plan.folds == (plan.fold or 0)
        return order[~fold].sort().values, order[fold].sort().values
    count = round(plan.validation * len(labels))
    if not 0 < count < len(labels):
        raise DataError(
            f"data.validation: {plan.validation} of {len(labels)} images leaves {count} for validation and "
            f"{len(labels) - count} for training; at least 1 of each is needed"
        )
    return order[count:].sort().values, order[:count].sort().values


def _interleaved(labels: Tensor) -> Tensor:
    """Return all positions so that every prefix, and every n-th one, holds the classes in proportion.

    Image k of n of a class (in random order) stands at (k + 1/2) / n of the way.
    """
    generator = torch.Generator().manual_seed(_SEED)
    places = torch.empty(len(labels), dtype=torch.float64)
    for label in range(int(labels.max()) + 1):
        of_class = (labels == label).nonzero().flatten()
        shuffled = of_class[torch.randperm(len(of_class), generator=generator)]
        places[shuffled] = (torch.arange(len(of_class), dtype=torch.float64) + 0.5) / len(of_class)
    ties = torch.randperm(len(labels), generator=generator)
    return ties[places[ties].argsort(stable=True)]
