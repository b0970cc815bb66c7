"""What a dispatcher is: something that trains jobs in slots and tells what becomes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ana_search.history import Epoch
from ana_search.plan import TrainingPlan
from ana_search.training import Machine

__all__ = [
    "Dispatcher",
    "Done",
    "Ended",
    "EpochDone",
    "Event",
    "Failed",
    "Job",
    "Outcome",
    "Started",
    "Stopped",
]


@dataclass(frozen=True)
class Job:
    """One training run: a trial, or one rung of it.

    ``checkpoint`` is the file to go on from and to write to (on a file system that the worker shares), or
    ``None`` for a run that is too short to be worth it. ``floats`` is the folder where networks in floating point that
    runs learn from are kept.
    """

    trial: int
    plan: TrainingPlan
    checkpoint: str | None = None
    floats: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a finished training run hands over: plain data, small but for the weights.

    ``history`` holds one mapping an epoch, ``network`` the state dict as `torch.save` writes
    it. ``machine`` is what the last bits of the accuracy hang on besides the plan.
    """

    accuracy: float
    history: tuple[Epoch, ...]
    network: bytes
    seconds: float
    worker: str
    machine: Machine


@dataclass(frozen=True)
class Started:
    """A worker has begun a job."""

    trial: int
    worker: str


@dataclass(frozen=True)
class EpochDone:
    """A worker has finished one epoch of a job (counted from 1)."""

    trial: int
    worker: str
    epoch: int
    epochs: int
    accuracy: float


@dataclass(frozen=True)
class Done:
    """A job is finished; its slot is free."""

    trial: int
    worker: str
    outcome: Outcome


@dataclass(frozen=True)
class Failed:
    """A job has ended without a result; its slot is free, or will be once a new worker is there.

    ``kind`` is ``"diverged"`` (the loss), ``"error"`` (an exception: it would come again) or ``"lost"`` (the
    worker or its node died: another try may succeed).
    """

    trial: int
    worker: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Stopped:
    """A job was asked to stop and did; its checkpoint is written."""

    trial: int
    worker: str


Ended = Done | Failed | Stopped
Event = Started | EpochDone | Ended


class Dispatcher(Protocol):
    """Trains jobs in slots. One thread uses it; ``close`` may be called at any time and more than once."""

    def start(self) -> int:
        """Make the slots and return their number. Raises `ResourceError` for what can never be met."""
        ...

    def free(self) -> int:
        """Return how many jobs can be submitted now."""
        ...

    def submit(self, job: Job) -> None:
        """Start a job in a free slot; a `ValueError` without one."""
        ...

    def events(self, timeout: float) -> Sequence[Event]:
        """Return what happened since the last call; wait up to ``timeout`` seconds if nothing has."""
        ...

    def stop(self) -> None:
        """Ask all running jobs to stop after the epoch that they are in; returns at once."""
        ...

    def close(self) -> None:
        """End all jobs and workers now."""
        ...
