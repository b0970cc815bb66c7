"""What a worker does with a job, whatever process it lives in."""

import io
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import torch

from ana_search.data import Dataset, ImagePool, load_dataset
from ana_search.dispatch.protocol import Job, Outcome
from ana_search.errors import AnaSearchError, DivergedError
from ana_search.plan import DataPlan
from ana_search.training import EpochReport, FloatStore, Machine, TrainingResult, train

__all__ = ["StopWork", "Workbench", "describe", "failure"]

_KEPT_DATASETS = 2
_REASON_LENGTH = 1000


class StopWork(Exception):
    """The job was asked to stop; its checkpoint is written."""


class Workbench:
    """Trains jobs one after the other and keeps the data set between them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._datasets: dict[DataPlan, Dataset] = {}

    def do(
        self,
        job: Job,
        report: Callable[[EpochReport], None],
        stop: threading.Event,
        pool: ImagePool | None = None,
        *,
        threads: int = 1,
    ) -> Outcome:
        """Train the job and return what is to be kept. Raises `StopWork` once ``stop`` is set.

        ``pool`` holds images that this machine has in memory; if they are others than the job's, those are read.
        ``threads`` are the CPU threads to train with: never what the environment says, which a repetition may not.
        """

        def after_epoch(epoch: EpochReport) -> None:
            report(epoch)
            if stop.is_set() and epoch.epoch < epoch.epochs:
                raise StopWork

        def pause() -> None:
            if stop.is_set():
                raise StopWork

        checkpoint = None if job.checkpoint is None else Path(job.checkpoint)
        dataset = self._dataset(job.plan.data.loaded, pool)
        result = train(
            job.plan,
            after_epoch,
            dataset=dataset,
            checkpoint=checkpoint,
            threads=threads,
            floats=FloatStore(None if job.floats is None else Path(job.floats)),
            pause=pause,
        )
        return _outcome(result, self.name, threads)

    def _dataset(self, plan: DataPlan, pool: ImagePool | None) -> Dataset:
        if plan not in self._datasets:
            while len(self._datasets) >= _KEPT_DATASETS:
                del self._datasets[next(iter(self._datasets))]
            self._datasets[plan] = load_dataset(plan, pool if pool is not None and pool.serves(plan) else None)
        return self._datasets[plan]


def describe(slot: int) -> str:
    """Return the name of the worker in a slot: slot, host and process."""
    return f"{slot}@{socket.gethostname()}:{os.getpid()}"


def failure(error: BaseException) -> tuple[str, str]:
    """Return the kind (see `Failed`) and the reason of an exception in a job, in one line."""
    text = " ".join(str(error).split()) or "no message"
    if isinstance(error, DivergedError):
        return "diverged", text
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        return "error", f"out of memory: {text}"[:_REASON_LENGTH]
    name = "" if isinstance(error, AnaSearchError) else f"{type(error).__name__}: "
    return "error", f"{name}{text}"[:_REASON_LENGTH]


def _outcome(result: TrainingResult, worker: str, threads: int) -> Outcome:
    buffer = io.BytesIO()
    torch.save({key: value.cpu() for key, value in result.network.state_dict().items()}, buffer)
    return Outcome(
        accuracy=result.accuracy,
        history=tuple(epoch.as_json() for epoch in result.history),
        network=buffer.getvalue(),
        seconds=result.seconds,
        worker=worker,
        machine=Machine.here(next(result.network.parameters()).device, threads),
    )
