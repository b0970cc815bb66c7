"""Slots on a Ray cluster: one actor each, replaced when it dies."""

import contextlib
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError

from ana_search.data import ImagePool
from ana_search.dispatch.placement import place_images
from ana_search.dispatch.protocol import Ended, Event, Failed, Job
from ana_search.dispatch.ray_actor import Worker
from ana_search.dispatch.ray_connect import connect, disconnect
from ana_search.dispatch.ray_pulse import Pulse
from ana_search.dispatch.resources import SlotRequest, check_request, local_resources
from ana_search.errors import DataError, RunError
from ana_search.networks import UserCode
from ana_search.plan import DataPlan

__all__ = ["RayDispatcher"]

_START_TRIES = 10
_IDLE_SECONDS = 0.05


@dataclass
class _Slot:
    """One slot: its actor and its job; ``pending`` tells when the actor is there, or what happens to the job."""

    number: int
    actor: Any
    pending: Any
    name: str
    started: bool = False
    job: Job | None = None

    def is_free(self) -> bool:
        """Return whether the slot can take a job."""
        return self.started and self.job is None


class RayDispatcher:
    """Trains jobs in the slots of a Ray cluster.

    Args:
        request: the slots.
        address: of a running cluster (``ray://HOST:PORT``, ``auto``); default: a cluster of this machine alone,
            on the loopback interface, ended by `close`.
        data: the data set of the jobs, placed once on every node, where its workers share the memory; without
            it every worker reads its own.
        read: how the data set is read (default: as ``data`` says).
        code: of the user's network, where that is in a file: every worker runs this text.
    """

    def __init__(
        self,
        request: SlotRequest,
        address: str | None = None,
        data: DataPlan | None = None,
        code: UserCode | None = None,
        read: Callable[[], ImagePool] | None = None,
    ) -> None:
        self._request = request
        self._address = address
        self._data = data
        self._code = code
        self._read_images = read
        self._images: Any = None
        self._slots: list[_Slot] = []
        self._owns_ray = False
        self._pulse: Pulse | None = None
        self._stopping = False
        self._failed_starts = 0

    def check(self) -> None:
        """Raise `ResourceError` if this machine alone can never meet the request; starts nothing."""
        if self._address is None and not ray.is_initialized():
            check_request(self._request, [local_resources()])

    def start(self) -> int:
        """Connect, check that the slots fit, and ask for their actors; return the number of slots.

        Raises:
            ResourceError: the cluster cannot be reached, or never has room for all slots.
            DataError: the data set cannot be read on this machine, the only one.
        """
        if not ray.is_initialized():
            self.check()
            connect(self._address)
            self._owns_ray = True
        self._pulse = Pulse(self._address)
        nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray leaves it without types
        check_request(self._request, [node["Resources"] for node in nodes if node["Alive"]])
        self._slots = [self._open_slot(number) for number in range(self._request.workers)]
        self._images = self._place_images()  # done while the actors start, which takes as long
        return len(self._slots)

    def free(self) -> int:
        """Return how many slots have an actor and no job."""
        return sum(slot.is_free() for slot in self._slots)

    def submit(self, job: Job) -> None:
        """Start a job in the first free slot."""
        slot = next((slot for slot in self._slots if slot.is_free()), None)
        if slot is None:
            raise ValueError("no slot is free")
        slot.job = job
        slot.pending = slot.actor.begin.remote(job, self._images)

    def events(self, timeout: float) -> Sequence[Event]:
        """Return what happened since the last call; wait up to ``timeout`` seconds if nothing has.

        Raises `RunError` when the workers fail to start time and again, or when the cluster has ended.
        """
        if self._pulse is not None:
            self._pulse.check()
        waiting = {slot.pending: slot for slot in self._slots if slot.pending is not None}
        if not waiting:
            time.sleep(min(timeout, _IDLE_SECONDS))  # nothing can happen; without a pause the driver's loop would spin
            return []
        try:
            ray.wait(list(waiting), num_returns=1, timeout=timeout, fetch_local=False)
            ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0, fetch_local=False)
        except ConnectionError as error:  # Ray's client has lost its server
            raise RunError(f"the connection to Ray at {self._address} is lost: {error}") from error
        return [event for reference in ready for event in self._read(waiting[reference])]

    def stop(self) -> None:
        """Ask all running jobs to stop after the epoch that they are in."""
        self._stopping = True
        for slot in self._slots:
            slot.actor.stop.remote()

    def close(self) -> None:
        """Kill all actors, and the cluster if it was started here."""
        slots, self._slots = self._slots, []
        self._images = None
        for slot in slots:
            with contextlib.suppress(Exception):
                ray.kill(slot.actor)
        if self._owns_ray:
            self._owns_ray = False
            disconnect()

    def _place_images(self) -> Any:
        """Return a reference to the images in Ray's object store, or ``None`` if the workers must read them."""
        if self._data is None:
            return None
        try:
            return place_images(self._data, self._read_images)
        except DataError:
            if self._address is None:
                raise
            return None  # the files may be on the workers' machines, which then read them

    def _open_slot(self, number: int) -> _Slot:
        threads = max(1, math.floor(self._request.cpus))
        actor_class = ray.remote(Worker)
        actor: Any = actor_class.options(
            num_cpus=self._request.cpus,
            num_gpus=self._request.gpus,
            max_concurrency=2,
            max_restarts=0,
        ).remote(number, threads, self._request.gpus > 0, self._code)
        if self._stopping:
            actor.stop.remote()
        return _Slot(number, actor, actor.name.remote(), f"{number}@?")

    def _read(self, slot: _Slot) -> list[Event]:
        """Take what is ready in a slot. A lost actor is replaced; so is one whose job failed, with all it held."""
        try:
            result = ray.get(slot.pending)
        except (RayError, OSError) as error:
            return self._lost(slot, error)
        if not slot.started:
            slot.name, slot.started, slot.pending = result, True, None
            self._failed_starts = 0
            return []
        events: list[Event] = result
        last = events[-1]
        if not isinstance(last, Ended):
            slot.pending = slot.actor.events.remote()
        elif isinstance(last, Failed) and last.kind == "error":
            self._replace(slot)
        else:
            slot.job = slot.pending = None
        return events

    def _lost(self, slot: _Slot, error: Exception) -> list[Event]:
        self._replace(slot)
        reason = _reason(error)
        if slot.job is not None:
            return [Failed(slot.job.trial, slot.name, "lost", f"the worker was lost: {reason}")]
        self._failed_starts += 1
        if self._failed_starts >= _START_TRIES:
            raise RunError(f"workers do not start ({self._failed_starts} times running): {reason}")
        return []

    def _replace(self, slot: _Slot) -> None:
        """Give a slot a new actor; the resources of the old one are free at once."""
        with contextlib.suppress(Exception):
            ray.kill(slot.actor)
        self._slots[self._slots.index(slot)] = self._open_slot(slot.number)


def _reason(error: Exception) -> str:
    """Return in one line what a lost worker died of; without names of processes, so that equal causes count as one."""
    text = " ".join(str(error).split())
    if "OUT_OF_MEMORY" in text or "running low on memory" in text or isinstance(error, OutOfMemoryError):
        return "out of memory: Ray ended it to save its node"
    if "node has died" in text or "node was terminated" in text or "node died" in text.lower():
        return "its node was lost"
    detail = re.search(r"Worker exit type: (\S+) Worker exit detail: (.*?)(?: Some common causes|$)", text)
    if detail is not None:
        return f"its process died ({detail[1]}: {detail[2][:200]})"
    return f"{type(error).__name__}: {text[:300]}"
