"""The three parts of a data set, fixed by the plan's data section alone."""

import torch
from torch import Tensor

from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = ["TEST_SHARE", "check_parts", "held_out", "pick", "split"]

TEST_SHARE = 0.2
"""Of the examples of a data set without a test part, kept for the test."""
_SEED = 20220619  # of every split; a split never depends on a trial


def pick(labels: Tensor, count: int, where: str) -> Tensor:
    """Return ``count`` positions, each class in proportion: a random but fixed choice, in ascending order.

    Raises:
        DataError: fewer images than that; ``where`` says of what.
    """
    if not 0 < count <= len(labels):
        raise DataError(_too_many(count, where, len(labels)))
    return _interleaved(labels)[:count].sort().values


def held_out(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions for search and for the test, of a data set that has no test part of its own.

    The test has a fixed fifth of the examples, each class in proportion, one at least.
    """
    test = pick(labels, max(1, round(TEST_SHARE * len(labels))), "data set")
    rest = torch.ones(len(labels), dtype=torch.bool)
    rest[test] = False
    return rest.nonzero().flatten(), test


def split(labels: Tensor, plan: DataPlan) -> tuple[Tensor, Tensor]:
    """Return the positions of the training and of the validation part.

    The validation part is the fraction ``plan.validation``, or fold ``plan.fold`` of ``plan.folds``. Each class is
    there in proportion, but in folds that are not stratified: these are the parts of one permutation of all images.

    Raises:
        DataError: a part would be empty.
    """
    check_parts(len(labels), plan)
    if plan.folds is not None:
        order = torch.cat(_shuffled_classes(labels)) if plan.stratified else _permutation(len(labels))
        chosen = torch.arange(len(labels)) % plan.folds == (plan.fold or 0)
    else:
        order = _interleaved(labels)
        chosen = torch.arange(len(labels)) < _validation_images(len(labels), plan)
    return order[~chosen].sort().values, order[chosen].sort().values


def check_parts(images: int, plan: DataPlan) -> None:
    """Raise `DataError` unless so many images for search can be split as the plan says; nothing is read."""
    if plan.train_size is not None and plan.train_size > images:
        raise DataError(_too_many(plan.train_size, f"data set {plan.name!r}", images))
    images = images if plan.train_size is None else plan.train_size
    validation = _validation_images(images, plan)
    if validation < 1 or images - validation < 2:
        asked = f"{plan.validation}" if plan.folds is None else f"fold {plan.fold or 0} of {plan.folds}"
        raise DataError(
            f"data.validation: {asked} of {images} images leaves {validation} for validation and "
            f"{images - validation} for training; allowed: at least 1 of each, and 2 for training"
        )


def _validation_images(images: int, plan: DataPlan) -> int:
    if plan.folds is None:
        return round(plan.validation * images)
    return len(range(plan.fold or 0, images, plan.folds))


def _too_many(count: int, where: str, images: int) -> str:
    return f"data.train_size: got {count}; {where} has {images} images; allowed: at least 1 and at most that"


def _shuffled_classes(labels: Tensor) -> list[Tensor]:
    """Return the positions of each class, in random but fixed order."""
    generator = torch.Generator().manual_seed(_SEED)
    classes = [(labels == label).nonzero().flatten() for label in range(int(labels.max()) + 1)]
    return [positions[torch.randperm(len(positions), generator=generator)] for positions in classes]


def _permutation(count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(_SEED))


def _interleaved(labels: Tensor) -> Tensor:
    """Return all positions so that every prefix holds the classes in proportion.

    Image k of n of a class (in random order) stands at (k + 1/2) / n of the way.
    """
    places = torch.empty(len(labels), dtype=torch.float64)
    for positions in _shuffled_classes(labels):
        places[positions] = (torch.arange(len(positions), dtype=torch.float64) + 0.5) / len(positions)
    ties = _permutation(len(labels))
    return ties[places[ties].argsort(stable=True)]
