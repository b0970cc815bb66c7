"""Weights & Biases: one run a trial in a project of the study's name, written when the trial is complete."""

from collections.abc import Sequence
from pathlib import Path

from ana_search.history import Epoch
from ana_search.runner.loggers.base import metrics_of, need
from ana_search.space import TrialParams

__all__ = ["WandbLogger"]


class WandbLogger:
    """Writes as the user's wandb is set up (``WANDB_MODE=offline`` keeps everything in the run directory)."""

    def __init__(self, study: str, folder: Path) -> None:
        need("wandb", "wandb")
        self._study, self._folder = study, folder
        self.where = f"the project {study!r} in Weights & Biases (offline: {folder / 'wandb'})"

    def epoch(self, trial: int, epoch: int, epochs: int, accuracy: float) -> None:
        """Wait for the whole trial: its run is opened and closed at once, because trials run side by side."""

    def recorded(self, trial: int, params: TrialParams, value: float, history: Sequence[Epoch]) -> None:
        """Log a complete trial as one run."""
        import wandb

        self._folder.mkdir(parents=True, exist_ok=True)
        run = wandb.init(
            project=self._study, name=f"trial-{trial:04d}", dir=str(self._folder), config=dict(params), reinit=True,
            settings=wandb.Settings(console="off", silent=True),
        )  # fmt: skip
        for epoch in history:
            run.log(metrics_of(epoch), step=epoch["epoch"])
        run.summary["value"] = value
        run.finish()

    def ended(self, trial: int) -> None:
        """Nothing of it has been logged."""

    def close(self) -> None:
        """Every run is finished already."""
