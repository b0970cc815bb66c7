"""One slot in the driver's own process: for tests, debugging and machines without Ray."""

import threading
from collections import deque
from collections.abc import Sequence

from ana_search.dispatch.protocol import Done, EpochDone, Event, Failed, Job, Started, Stopped
from ana_search.dispatch.work import StopWork, Workbench, describe, failure
from ana_search.training import EpochReport

__all__ = ["LocalDispatcher"]


class LocalDispatcher:
    """Trains one job at a time, in a thread, so that the driver can go on listening.

    Args:
        threads: CPU threads that a training run uses.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._bench = Workbench(describe(0))
        self._events: deque[Event] = deque()
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> int:
        """Return 1: the only slot."""
        return 1

    def free(self) -> int:
        """Return 1 while no job runs."""
        return 0 if self._thread is not None and self._thread.is_alive() else 1

    def submit(self, job: Job) -> None:
        """Start a job; `ValueError` while another one runs."""
        if not self.free():
            raise ValueError("the only slot is taken")
        self._thread = threading.Thread(target=self._work, args=(job,), name="trainer", daemon=True)
        self._thread.start()

    def events(self, timeout: float) -> Sequence[Event]:
        """Return what happened since the last call; wait up to ``timeout`` seconds if nothing has."""
        with self._news:
            self._news.wait_for(lambda: bool(self._events), timeout)
            events = list(self._events)
            self._events.clear()
        if self._thread is not None and any(isinstance(event, Done | Failed | Stopped) for event in events):
            self._thread.join()
        return events

    def stop(self) -> None:
        """Ask the running job to stop after its epoch."""
        self._stop.set()

    def close(self) -> None:
        """Ask the running job to stop; a thread cannot be ended from outside."""
        self._stop.set()

    def _work(self, job: Job) -> None:
        worker = self._bench.name
        self._tell(Started(job.trial, worker))
        epochs = job.plan.training.epochs

        def report(epoch: EpochReport) -> None:
            self._tell(EpochDone(job.trial, worker, epoch.epoch, epochs, epoch.accuracy))

        try:
            self._tell(Done(job.trial, worker, self._bench.do(job, report, self._stop, threads=self._threads)))
        except StopWork:
            self._tell(Stopped(job.trial, worker))
        except Exception as error:
            self._tell(Failed(job.trial, worker, *failure(error)))

    def _tell(self, event: Event) -> None:
        with self._news:
            self._events.append(event)
            self._news.notify()
