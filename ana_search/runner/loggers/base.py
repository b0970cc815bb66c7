"""What a logger of learning curves offers."""

import importlib.util
from collections.abc import Sequence
from typing import Protocol

from ana_search.errors import RequestError
from ana_search.history import Epoch
from ana_search.space import TrialParams

__all__ = ["CurveLogger", "metrics_of", "need"]


class CurveLogger(Protocol):
    """Told by the driver of epochs as they end, and of a complete trial with all its epochs.

    Made with the study's name and its run directory. What it raises costs the log and never the study.
    """

    where: str
    """Where people look, in words: said once, at the start of a launch."""

    def epoch(self, trial: int, epoch: int, epochs: int, accuracy: float) -> None:
        """Log the validation accuracy after an epoch (counted from 1) of a trial that is trained for ``epochs``."""
        ...

    def recorded(self, trial: int, params: TrialParams, value: float, history: Sequence[Epoch]) -> None:
        """Log a complete trial: its parameters, its value, and its epochs."""
        ...

    def ended(self, trial: int) -> None:
        """Log no more of a trial that failed, was pruned or was interrupted."""
        ...

    def close(self) -> None:
        """Write what is not written yet."""
        ...


def need(package: str, name: str) -> None:
    """Raise `RequestError` if the package of a logger is not installed; nothing has been started then."""
    if importlib.util.find_spec(package) is None:
        raise RequestError(
            f"study.logger {name!r}: the package {package} is not installed; allowed: "
            f"pip install 'ana-search[{name}]', or no logger"
        )


def metrics_of(epoch: Epoch) -> dict[str, float]:
    """Return the numbers of an epoch by the names under which they are logged."""
    found = {
        "accuracy/validation": epoch["accuracy"],
        "accuracy/training": epoch["train_accuracy"],
        "loss/training": epoch["loss"],
        "learning_rate": epoch["learning_rate"],
    }
    return found | {f"regularisation_gap/layer_{layer}": gap for layer, gap in enumerate(epoch["gap"])}
