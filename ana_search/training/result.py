"""What a training run reports after every epoch, and what it returns."""

from dataclasses import dataclass

from torch import nn

from ana_search.history import Epoch

__all__ = ["EpochReport", "TrainingResult"]


@dataclass(frozen=True)
class EpochReport:
    """One finished epoch, counted from 1.

    ``loss`` and ``train_accuracy`` are means over the epoch's batches, with noise; ``accuracy`` is that of the
    stair network on the validation part. ``gap`` is the regularisation gap of each layer at the end of the
    epoch (see `ana_search.ana.regularisation_gap`), ``seconds`` the time that the run has taken so far, that
    before it was interrupted included. ``weight_levels`` and ``activation_levels`` are the levels in use in each layer
    at the end of the epoch, ``flips`` the fraction of the layer's weights whose level is another than at its beginning
    (see `ana_search.ana.codes_in_use`).
    """

    epoch: int
    epochs: int
    loss: float
    train_accuracy: float
    accuracy: float
    learning_rate: float
    gap: tuple[float, ...]
    seconds: float
    weight_levels: tuple[int, ...] = ()
    activation_levels: tuple[int, ...] = ()
    flips: tuple[float, ...] = ()

    def as_json(self) -> Epoch:
        """Return the epoch as ``history.json`` and a checkpoint hold it."""
        return {
            "epoch": self.epoch,
            "epochs": self.epochs,
            "loss": self.loss,
            "train_accuracy": self.train_accuracy,
            "accuracy": self.accuracy,
            "learning_rate": self.learning_rate,
            "gap": self.gap,
            "seconds": self.seconds,
            "weight_levels": self.weight_levels,
            "activation_levels": self.activation_levels,
            "flips": self.flips,
        }


@dataclass(frozen=True)
class TrainingResult:
    """A finished training run: validation accuracy, one report an epoch, and the network in evaluation mode."""

    accuracy: float
    history: list[EpochReport]
    network: nn.Module
    seconds: float
