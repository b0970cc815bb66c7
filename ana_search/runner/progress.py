"""What a launch tells whoever watches it."""

from collections.abc import Sequence
from typing import Protocol

from ana_search.history import Epoch
from ana_search.space import TrialParams

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Told by the driver what happens, from its own thread. A display is one; nothing in it may block."""

    def begin(self, *, finished: int, requested: int, best: tuple[int, float] | None = None) -> None:
        """Say how far the study already is."""
        ...

    def trial_started(self, worker: str, trial: int, epochs: int) -> None:
        """Say that a worker starts a trial of so many epochs."""
        ...

    def epoch(self, worker: str, trial: int, epoch: int, epochs: int, accuracy: float | None = None) -> None:
        """Say that a worker has finished an epoch, counted from 1."""
        ...

    def recorded(self, trial: int, params: TrialParams, value: float, history: Sequence[Epoch]) -> None:
        """Say that a complete trial is in the storage, with its parameters, its value and its epochs."""
        ...

    def trial_ended(self, worker: str, trial: int, state: str, *, finished: int) -> None:
        """Say in which state a trial ended (see `TrialRecord.shown_state`), and how many are finished now."""
        ...

    def best(self, trial: int, value: float) -> None:
        """Say which trial is the best so far."""
        ...

    def message(self, text: str) -> None:
        """Say one line that is worth keeping: a failure, a retry, an interruption."""
        ...


class Silent:
    """Progress that nobody watches."""

    def begin(self, *, finished: int, requested: int, best: tuple[int, float] | None = None) -> None:
        """Ignore it."""

    def trial_started(self, worker: str, trial: int, epochs: int) -> None:
        """Ignore it."""

    def epoch(self, worker: str, trial: int, epoch: int, epochs: int, accuracy: float | None = None) -> None:
        """Ignore it."""

    def recorded(self, trial: int, params: TrialParams, value: float, history: Sequence[Epoch]) -> None:
        """Ignore it."""

    def trial_ended(self, worker: str, trial: int, state: str, *, finished: int) -> None:
        """Ignore it."""

    def best(self, trial: int, value: float) -> None:
        """Ignore it."""

    def message(self, text: str) -> None:
        """Ignore it."""
