"""The three parts of a data set, fixed by the plan's data section alone."""

import torch
from torch import Tensor

from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = ["pick", "split"]

_SEED = 20220619  # of every split; a split never depends on a trial


def pick(labels: Tensor, count: int, where: str) -> Tensor:
    """Return ``count`` positions, each class in proportion: a random but fixed choice, in ascending order.

    Raises:
        DataError: fewer images than that; ``where`` says of what.
    """
    if not 0 < count <= len(labels):
        raise DataError(
            f"data.train_size: got {count}; {where} has {len(labels)} images; allowed: at least 1 and at most that"
        )
    return _interleaved(labels)[:count].sort().values


def split(labels: Tensor, plan: DataPlan) -> tuple[Tensor, Tensor]:
    """Return the positions of the training and of the validation part, each class in proportion.

    The validation part is the fraction ``plan.validation``, or fold ``plan.fold`` of ``plan.folds``.

    Raises:
        DataError: a part would be empty.
    """
    if plan.folds is not None:
        order = torch.cat(_shuffled_classes(labels))
        chosen = torch.arange(len(labels)) % plan.folds == (plan.fold or 0)
        asked = f"fold {plan.fold or 0} of {plan.folds}"
    else:
        order = _interleaved(labels)
        chosen = torch.arange(len(labels)) < round(plan.validation * len(labels))
        asked = f"{plan.validation}"
    train, validation = order[~chosen].sort().values, order[chosen].sort().values
    if not len(train) or not len(validation):
        raise DataError(
            f"data.validation: {asked} of {len(labels)} images leaves {len(validation)} for validation and "
            f"{len(train)} for training; allowed: at least 1 of each"
        )
    return train, validation


def _shuffled_classes(labels: Tensor) -> list[Tensor]:
    """Return the positions of each class, in random but fixed order."""
    generator = torch.Generator().manual_seed(_SEED)
    classes = [(labels == label).nonzero().flatten() for label in range(int(labels.max()) + 1)]
    return [positions[torch.randperm(len(positions), generator=generator)] for positions in classes]


def _interleaved(labels: Tensor) -> Tensor:
    """Return all positions so that every prefix holds the classes in proportion.

    Image k of n of a class (in random order) stands at (k + 1/2) / n of the way.
    """
    places = torch.empty(len(labels), dtype=torch.float64)
    for positions in _shuffled_classes(labels):
        places[positions] = (torch.arange(len(positions), dtype=torch.float64) + 0.5) / len(positions)
    ties = torch.randperm(len(labels), generator=torch.Generator().manual_seed(_SEED))
    return ties[places[ties].argsort(stable=True)]
