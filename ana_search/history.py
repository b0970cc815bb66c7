"""The learning curve of one trial: what ``history.json`` in the run directory holds of every epoch."""

from collections.abc import Sequence
from typing import Required, TypedDict

__all__ = ["Epoch"]


class Epoch(TypedDict, total=False):
    """One finished epoch of a training run, counted from 1, as JSON has it.

    What is written has every field. A file that was read is sure of ``epoch`` and ``accuracy`` alone: another version
    may have left out the others. `ana_search.training.EpochReport` says what the fields mean.
    """

    epoch: Required[int]
    accuracy: Required[float]
    epochs: int
    loss: float
    train_accuracy: float
    learning_rate: float
    gap: Sequence[float]
    seconds: float
    weight_levels: Sequence[int]
    activation_levels: Sequence[int]
    flips: Sequence[float]
