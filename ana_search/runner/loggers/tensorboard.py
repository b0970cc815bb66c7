"""TensorBoard: one run a trial under ``runs/NAME/tensorboard``, followed live."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ana_search.history import Epoch
from ana_search.runner.loggers.base import metrics_of, need
from ana_search.space import TrialParams

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

__all__ = ["TensorboardLogger"]

_LIVE = "accuracy/validation"


class TensorboardLogger:
    """Writes event files.

    A trial that is trained for fewer epochs first (a rung) has a run of its own for each length. An epoch that is
    trained again after an interruption takes the place of the first one.
    """

    def __init__(self, study: str, folder: Path) -> None:
        need("tensorboard", "tensorboard")
        self._folder = folder / "tensorboard"
        self.where = f"tensorboard --logdir {self._folder}"
        self._writers: dict[tuple[int, int], SummaryWriter] = {}
        self._logged: dict[tuple[int, int], int] = {}

    def epoch(self, trial: int, epoch: int, epochs: int, accuracy: float) -> None:
        """Log the validation accuracy after an epoch."""
        writer = self._writer(trial, epoch, epochs)
        writer.add_scalar(_LIVE, accuracy, epoch)
        writer.flush()
        self._logged[trial, epochs] = epoch

    def recorded(self, trial: int, params: TrialParams, value: float, history: Sequence[Epoch]) -> None:
        """Log what the live curve does not show, and the parameters with the value."""
        epochs = history[-1]["epochs"] if history else 0
        seen = self._logged.get((trial, epochs), 0)
        writer = self._writer(trial, 1, epochs)
        for epoch in history:
            metrics = metrics_of(epoch)
            if epoch["epoch"] <= seen:
                metrics.pop(_LIVE)
            for name, number in metrics.items():
                writer.add_scalar(name, number, epoch["epoch"])
        writer.add_hparams(dict(params), {"accuracy": value}, run_name=".")
        self.ended(trial)

    def ended(self, trial: int) -> None:
        """Close the event files of a trial."""
        for key in [key for key in self._writers if key[0] == trial]:
            self._writers.pop(key).close()

    def close(self) -> None:
        """Close all event files."""
        for trial in {trial for trial, _ in self._writers}:
            self.ended(trial)

    def _writer(self, trial: int, epoch: int, epochs: int) -> "SummaryWriter":
        from torch.utils.tensorboard.writer import SummaryWriter

        key = (trial, epochs)
        if key not in self._writers:
            run = self._folder / f"trial-{trial:04d}-{epochs}-epochs"
            self._writers[key] = SummaryWriter(str(run), purge_step=epoch)
        return self._writers[key]
