"""The worker: a persistent Ray actor that trains one job at a time and keeps its data set between them."""

import os
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import torch

from ana_search.dispatch.protocol import Done, Event, Failed, Job, Started, Stopped, Trained
from ana_search.dispatch.work import StopWork, Workbench, describe, failure
from ana_search.training import EpochReport

__all__ = ["Worker"]


class Worker:
    """One slot. ``work`` and ``stop`` run in two threads of the actor.

    Args:
        slot: number of the slot.
        threads: CPU threads that a training run may use.
        gpu: whether the slot has a GPU. Ray leaves CUDA_VISIBLE_DEVICES alone where it gives none, and PyTorch
            would then take the first device.
    """

    def __init__(self, slot: int, threads: int, gpu: bool) -> None:
        if not gpu:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._threads = threads
        self._bench = Workbench(describe(slot))
        self._stop = threading.Event()

    def name(self) -> str:
        """Return the worker's name: the slot is then known to be there."""
        return self._bench.name

    def stop(self) -> None:
        """Ask the running job, and every later one, to stop after its epoch."""
        self._stop.set()

    def visible_devices(self) -> str:
        """Return what this process may see of CUDA's devices."""
        return os.environ.get("CUDA_VISIBLE_DEVICES", "")

    def work(self, job: Job) -> Iterator[Event]:
        """Train the job, yielding what happens; the last event says how it ended."""
        worker = self._bench.name
        yield Started(job.trial, worker)
        events: SimpleQueue[Event] = SimpleQueue()
        trainer = threading.Thread(target=self._train, args=(job, events), name="trainer", daemon=True)
        trainer.start()
        while True:
            event = events.get()
            yield event
            if not isinstance(event, Trained):
                break
        trainer.join()

    def _train(self, job: Job, events: "SimpleQueue[Event]") -> None:
        worker, epochs = self._bench.name, job.plan.training.epochs
        # The number of threads belongs to the thread that asks for it.
        torch.set_num_threads(self._threads)

        def report(epoch: EpochReport) -> None:
            events.put(Trained(job.trial, worker, epoch.epoch, epochs, epoch.accuracy))

        try:
            events.put(Done(job.trial, worker, self._bench.do(job, report, self._stop)))
        except StopWork:
            events.put(Stopped(job.trial, worker))
        except Exception as error:
            events.put(Failed(job.trial, worker, *failure(error)))
