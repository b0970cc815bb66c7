"""The worker: a persistent Ray actor that trains one job at a time and keeps its data set between them."""

import os
import threading
import time
from queue import Empty, SimpleQueue

import torch

from ana_search.data import ImagePool
from ana_search.dispatch.memory import keep_freed_memory
from ana_search.dispatch.placement import PlacedImages
from ana_search.dispatch.protocol import Done, EpochDone, Event, Failed, Job, Started, Stopped
from ana_search.dispatch.work import StopWork, Workbench, describe, failure
from ana_search.networks import UserCode, install_code
from ana_search.training import EpochReport

__all__ = ["Worker"]

# Epochs that end within this time are told in one answer: every answer costs driver and worker some of their time.
_GATHER_SECONDS = 0.2


class Worker:
    """One slot. The driver asks for what happens, one call at a time; ``stop`` comes in a second thread.

    Plain calls and not a generator of Ray's: those do not exist behind a ``ray://`` address.

    Args:
        slot: number of the slot.
        threads: CPU threads that a training run may use.
        code: of the user's network, where that is in a file.
        gpu: whether the slot has a GPU. Ray leaves CUDA_VISIBLE_DEVICES alone where it gives none, and PyTorch
            would then take the first device.
    """

    def __init__(self, slot: int, threads: int, gpu: bool, code: UserCode | None = None) -> None:
        if not gpu:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        if code is not None:
            install_code(code)
        keep_freed_memory()
        self._threads = threads
        self._bench = Workbench(describe(slot))
        self._stop = threading.Event()
        self._events: SimpleQueue[Event] = SimpleQueue()
        # The first optimiser of a process imports PyTorch's compiler, which takes a second or two.
        torch.optim.SGD([torch.zeros(1)])

    def name(self) -> str:
        """Return the worker's name: the slot is then known to be there."""
        return self._bench.name

    def stop(self) -> None:
        """Ask the running job, and every later one, to stop after its epoch."""
        self._stop.set()

    def visible_devices(self) -> str | None:
        """Return what this process may see of CUDA's devices; ``None`` is all."""
        return os.environ.get("CUDA_VISIBLE_DEVICES")

    def begin(self, job: Job, placed: PlacedImages | None = None) -> list[Event]:
        """Start to train a job; return the first events."""
        self._events.put(Started(job.trial, self._bench.name))
        pool = None if placed is None else placed.pool()
        threading.Thread(target=self._train, args=(job, pool), name="trainer", daemon=True).start()
        return self.events()

    def events(self) -> list[Event]:
        """Return what happened since the last call, once something has. The last event of a job says how it ended.

        The start and the end of a job are told at once, epochs a few at a time.
        """
        events = [self._events.get()]
        until = time.monotonic() + _GATHER_SECONDS
        while isinstance(events[-1], EpochDone):
            try:
                events.append(self._events.get(timeout=max(0.0, until - time.monotonic())))
            except Empty:
                break
        return events

    def _train(self, job: Job, pool: ImagePool | None) -> None:
        worker, epochs = self._bench.name, job.plan.training.epochs

        def report(epoch: EpochReport) -> None:
            self._events.put(EpochDone(job.trial, worker, epoch.epoch, epochs, epoch.accuracy))

        try:
            self._events.put(
                Done(job.trial, worker, self._bench.do(job, report, self._stop, pool, threads=self._threads))
            )
        except StopWork:
            self._events.put(Stopped(job.trial, worker))
        except BaseException as error:  # whatever a user's network raises, the driver must hear of it
            self._events.put(Failed(job.trial, worker, *failure(error)))
