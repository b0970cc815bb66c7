"""A cluster that trains nothing and keeps a virtual clock: the real driver at a scale of a thousand workers."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ana_search.dispatch import Done, EpochDone, Event, Failed, Job, Outcome, Started, Stopped
from ana_search.testing.fates import Fate
from ana_search.training import Machine

__all__ = ["SimulatedDispatcher"]


@dataclass
class _Run:
    """A job in a worker's hands; without ``worker`` it is over, and what it had still to tell is void."""

    job: Job
    worker: str | None
    began: float
    seconds: float
    accuracy: float


@dataclass(frozen=True)
class _Back:
    """A lost worker's successor is there."""


class SimulatedDispatcher:
    """Trains jobs in virtual time; everything else, from asking to recording, is the driver's real work.

    The virtual clock stands still while the driver waits for nothing, jumps to the next event when it waits, and
    with a ``meter`` goes on by the real seconds that the driver takes between two calls: a driver that is too slow
    then leaves workers idle here as it would on a cluster.

    Args:
        workers: number of slots.
        fate: what becomes of a job.
        meter: a clock in seconds (``time.perf_counter``, ``time.thread_time``) that measures the driver's work;
            without one the driver takes no time and the simulation is exactly reproducible.
        event_seconds: what receiving one event costs the driver besides, for the transport that is not simulated.
        done_seconds: what taking over a result (the weights) costs the driver besides.
        restart_seconds: virtual seconds until a lost worker is replaced.
        network: the weights that every job returns.
    """

    def __init__(
        self,
        workers: int,
        fate: Callable[[Job], Fate],
        *,
        meter: Callable[[], float] | None = None,
        event_seconds: float = 0.0,
        done_seconds: float = 0.0,
        restart_seconds: float = 5.0,
        network: bytes = b"",
    ) -> None:
        if workers < 1:
            raise ValueError(f"`workers >= 1` must hold, but got {workers}")
        self._workers, self._fate, self._meter = workers, fate, meter
        self._event_seconds, self._done_seconds, self._restart_seconds = event_seconds, done_seconds, restart_seconds
        self._network = network
        self._idle = [f"{number}@simulated" for number in reversed(range(workers))]
        self._future: list[tuple[float, int, _Run, Event | _Back]] = []
        self._order = 0
        self._runs: dict[int, _Run] = {}
        self._left: float | None = None
        self.clock = 0.0
        """Virtual seconds since the start."""
        self.driver_seconds = 0.0
        """Seconds of the clock that were the driver's work."""
        self.events_told = 0
        self.spans: list[tuple[float, float]] = []
        """Begin and end, in virtual seconds, of every job that has ended."""
        self.last_submit = 0.0
        """When the last job was submitted; from then on workers are idle because the study is ending."""

    def start(self) -> int:
        """Return the number of slots; the driver's time counts from here."""
        self._leave()
        return self._workers

    def free(self) -> int:
        """Return how many workers have no job."""
        self._enter()
        count = len(self._idle)
        self._leave()
        return count

    def submit(self, job: Job) -> None:
        """Start a job; its events are then known, and told when their time has come."""
        self._enter()
        if not self._idle:
            raise ValueError("no slot is free")
        fate, worker = self._fate(job), self._idle.pop()
        run = _Run(job, worker, self.clock, fate.seconds, fate.accuracy)
        self._runs[job.trial] = run
        self.last_submit = self.clock
        self._plan(self.clock, run, Started(job.trial, worker))
        epochs = job.plan.training.epochs
        share = 1.0 if fate.fault is None else fate.fault_at
        for epoch in range(1, int(share * epochs) + 1):
            time = self.clock + fate.seconds * epoch / epochs
            self._plan(time, run, EpochDone(job.trial, worker, epoch, epochs, fate.accuracy))
        end = self.clock + share * fate.seconds
        if fate.fault is None:
            self._plan(end, run, Done(job.trial, worker, self._outcome(run, worker)))
        else:
            reason = "the simulated worker died" if fate.fault == "lost" else f"simulated: {fate.fault}"
            self._plan(end, run, Failed(job.trial, worker, fate.fault, reason))
        self._leave()

    def events(self, timeout: float) -> Sequence[Event]:
        """Return what happened up to now; if nothing has, what happens next within ``timeout`` virtual seconds."""
        self._enter()
        told = self._due()
        if not told:
            until = self.clock + timeout
            while not told and self._future and self._future[0][0] <= until:
                self.clock = max(self.clock, self._future[0][0])
                told = self._due()
            if not told:
                self.clock = until
        self._work(self._event_seconds * len(told) + self._done_seconds * sum(isinstance(e, Done) for e in told))
        self.events_told += len(told)
        self._leave()
        return told

    def stop(self) -> None:
        """Let all running jobs stop at the end of the epoch that they are in."""
        self._enter()
        for trial, run in list(self._runs.items()):
            assert run.worker is not None
            epoch = run.seconds / run.job.plan.training.epochs
            end = run.began + (int((self.clock - run.began) / epoch) + 1) * epoch
            stopped = _Run(run.job, run.worker, run.began, run.seconds, run.accuracy)
            run.worker = None
            self._runs[trial] = stopped
            self._plan(end, stopped, Stopped(trial, stopped.worker or ""))
        self._leave()

    def close(self) -> None:
        """Forget what is still running."""
        self._runs.clear()
        self._future.clear()

    def utilisation(self, until: float | None = None) -> float:
        """Return the share of the workers' time, up to ``until`` (default: now), in which they trained."""
        until = self.clock if until is None else until
        running = [(run.began, self.clock) for run in self._runs.values()]
        busy = sum(max(0.0, min(end, until) - began) for began, end in [*self.spans, *running])
        return busy / (self._workers * until) if until > 0 else 0.0

    def driver_load(self, until: float | None = None) -> float:
        """Return the driver's work as a share of the time up to ``until`` (default: now)."""
        until = self.clock if until is None else until
        return self.driver_seconds / until if until > 0 else 0.0

    def _enter(self) -> None:
        """Add the time that the driver has worked since it was last answered."""
        if self._meter is not None and self._left is not None:
            self._work(self._meter() - self._left)

    def _leave(self) -> None:
        if self._meter is not None:
            self._left = self._meter()

    def _work(self, seconds: float) -> None:
        self.clock += seconds
        self.driver_seconds += seconds

    def _plan(self, time: float, run: _Run, event: Event | _Back) -> None:
        self._order += 1  # events of one moment are told in the order in which they were planned
        heapq.heappush(self._future, (time, self._order, run, event))

    def _due(self) -> list[Event]:
        """Take the events whose time has come; a job's last one frees its worker."""
        told: list[Event] = []
        while self._future and self._future[0][0] <= self.clock:
            time, _, run, event = heapq.heappop(self._future)
            if run.worker is None:
                continue
            if isinstance(event, _Back):
                self._idle.append(run.worker)
                continue
            told.append(event)
            if isinstance(event, Done | Failed | Stopped):
                self._end(time, run, event)
        return told

    def _end(self, time: float, run: _Run, event: Done | Failed | Stopped) -> None:
        self.spans.append((run.began, time))
        del self._runs[event.trial]
        if isinstance(event, Failed) and event.kind == "lost":
            self._plan(time + self._restart_seconds, run, _Back())
        else:
            self._idle.append(event.worker)

    def _outcome(self, run: _Run, worker: str) -> Outcome:
        return Outcome(run.accuracy, (), self._network, run.seconds, worker, Machine("simulated"))
