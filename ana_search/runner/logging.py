"""Progress that is logged too. An error of a logging package ends the log, with one message, and not the study."""

from collections.abc import Callable, Sequence

from ana_search.history import Epoch
from ana_search.runner.loggers import CurveLogger
from ana_search.runner.progress import Progress
from ana_search.space import TrialParams

__all__ = ["LoggedProgress"]


class LoggedProgress:
    """Passes everything on to ``progress``, and epochs and complete trials to ``logger`` as well."""

    def __init__(self, progress: Progress, logger: CurveLogger) -> None:
        self._progress = progress
        self._logger: CurveLogger | None = logger

    def begin(self, *, finished: int, requested: int, best: tuple[int, float] | None = None) -> None:
        """Pass it on, and say where the curves are."""
        self._progress.begin(finished=finished, requested=requested, best=best)
        if self._logger is not None:
            self._progress.message(f"learning curves: {self._logger.where}")

    def trial_started(self, worker: str, trial: int, epochs: int) -> None:
        """Pass it on."""
        self._progress.trial_started(worker, trial, epochs)

    def epoch(self, worker: str, trial: int, epoch: int, epochs: int, accuracy: float | None = None) -> None:
        """Pass it on and log it."""
        self._progress.epoch(worker, trial, epoch, epochs, accuracy)
        if accuracy is not None:
            self._log(lambda logger: logger.epoch(trial, epoch, epochs, accuracy))

    def recorded(self, trial: int, params: TrialParams, value: float, history: Sequence[Epoch]) -> None:
        """Pass it on and log it."""
        if hasattr(self._progress, "recorded"):
            self._progress.recorded(trial, params, value, history)
        self._log(lambda logger: logger.recorded(trial, params, value, history))

    def trial_ended(self, worker: str, trial: int, state: str, *, finished: int) -> None:
        """Pass it on, and end the log of a trial that is not complete."""
        self._progress.trial_ended(worker, trial, state, finished=finished)
        if state != "COMPLETE":
            self._log(lambda logger: logger.ended(trial))

    def best(self, trial: int, value: float) -> None:
        """Pass it on."""
        self._progress.best(trial, value)

    def message(self, text: str) -> None:
        """Pass it on."""
        self._progress.message(text)

    def close(self) -> None:
        """Write what is not written yet."""
        self._log(lambda logger: logger.close())

    def _log(self, write: Callable[[CurveLogger], None]) -> None:
        if self._logger is None:
            return
        try:
            write(self._logger)
        except Exception as error:  # whatever a logging package raises, the study goes on
            self._logger = None
            self._progress.message(f"learning curves are logged no more: {type(error).__name__}: {error}")
