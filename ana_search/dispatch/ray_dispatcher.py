"""Slots on a Ray cluster: one actor each, replaced when it dies."""

import contextlib
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

from ana_search.dispatch.protocol import Done, Event, Failed, Job, Stopped
from ana_search.dispatch.ray_actor import Worker
from ana_search.dispatch.resources import SlotRequest, check_request, local_resources
from ana_search.errors import ResourceError

__all__ = ["RayDispatcher"]

_LOCAL_ADDRESS = "127.0.0.1"


@dataclass
class _Slot:
    """One slot: its actor, and either the reference that tells when the actor is there or the job's events."""

    number: int
    actor: Any
    ready: Any
    name: str
    job: Job | None = None
    stream: Any = None


class RayDispatcher:
    """Trains jobs in the slots of a Ray cluster.

    Args:
        request: the slots.
        address: of a running cluster (``ray://HOST:PORT``, ``auto``); default: a cluster of this machine alone,
            on the loopback interface, ended by `close`.
    """

    def __init__(self, request: SlotRequest, address: str | None = None) -> None:
        self._request = request
        self._address = address
        self._slots: list[_Slot] = []
        self._owns_ray = False
        self._stopping = False

    def check(self) -> None:
        """Raise `ResourceError` if this machine alone can never meet the request; starts nothing."""
        if self._address is None and not ray.is_initialized():
            check_request(self._request, [local_resources()])

    def start(self) -> int:
        """Connect, check that the slots fit, and ask for their actors; return the number of slots.

        Raises:
            ResourceError: the cluster cannot be reached, or never has room for all slots.
        """
        if not ray.is_initialized():
            self.check()
            self._connect()
        nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray leaves it without types
        check_request(self._request, [node["Resources"] for node in nodes if node["Alive"]])
        self._slots = [self._open_slot(number) for number in range(self._request.workers)]
        return len(self._slots)

    def free(self) -> int:
        """Return how many slots have an actor and no job."""
        return sum(slot.ready is None and slot.job is None for slot in self._slots)

    def submit(self, job: Job) -> None:
        """Start a job in the first free slot."""
        slot = next((slot for slot in self._slots if slot.ready is None and slot.job is None), None)
        if slot is None:
            raise ValueError("no slot is free")
        slot.job = job
        slot.stream = slot.actor.work.remote(job)

    def events(self, timeout: float) -> Sequence[Event]:
        """Return what happened since the last call; wait up to ``timeout`` seconds if nothing has."""
        waiting = {self._pending(slot): slot for slot in self._slots if self._pending(slot) is not None}
        if not waiting:
            return []
        ready, _ = ray.wait(list(waiting), num_returns=1, timeout=timeout, fetch_local=False)
        events: list[Event] = []
        while ready:
            for reference in ready:
                event = self._read(waiting[reference])
                events += [] if event is None else [event]
            waiting = {self._pending(slot): slot for slot in self._slots if self._pending(slot) is not None}
            if not waiting:
                break
            ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0, fetch_local=False)
        return events

    def stop(self) -> None:
        """Ask all running jobs to stop after the epoch that they are in."""
        self._stopping = True
        for slot in self._slots:
            slot.actor.stop.remote()

    def close(self) -> None:
        """Kill all actors, and the cluster if it was started here."""
        slots, self._slots = self._slots, []
        for slot in slots:
            with contextlib.suppress(Exception):
                ray.kill(slot.actor)
        if self._owns_ray:
            self._owns_ray = False
            ray.shutdown()

    @staticmethod
    def _pending(slot: _Slot) -> Any:
        return slot.ready if slot.ready is not None else slot.stream

    def _connect(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        common: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        try:
            if self._address is not None:
                ray.init(address=self._address, **common)
            else:
                have = local_resources()
                ray.init(
                    address="local",
                    num_cpus=int(have["CPU"]),
                    num_gpus=int(have["GPU"]),
                    include_dashboard=False,
                    # Without an address Ray asks the network which of the machine's addresses is public.
                    _node_ip_address=_LOCAL_ADDRESS,
                    **common,
                )
        except (RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
            text = " ".join(str(error).split())[:300]
            where = self._address or "on this machine"
            raise ResourceError(f"Ray {where}: {text}; allowed: ray://HOST:PORT or auto of a running cluster") from None
        self._owns_ray = True

    def _open_slot(self, number: int) -> _Slot:
        threads = max(1, math.floor(self._request.cpus))
        actor_class = ray.remote(Worker)
        actor: Any = actor_class.options(
            num_cpus=self._request.cpus,
            num_gpus=self._request.gpus,
            max_concurrency=2,
            max_restarts=0,
        ).remote(number, threads, self._request.gpus > 0)
        if self._stopping:
            actor.stop.remote()
        return _Slot(number, actor, actor.name.remote(), f"{number}@?")

    def _read(self, slot: _Slot) -> Event | None:
        """Take what is ready in a slot; a lost actor is replaced."""
        try:
            if slot.ready is not None:
                slot.name = ray.get(slot.ready)
                slot.ready = None
                return None
            event: Event = ray.get(next(slot.stream))
        except StopIteration:
            slot.job = slot.stream = None
            return None
        except (RayError, OSError) as error:
            return self._replace(slot, error)
        if isinstance(event, Done | Failed | Stopped):
            slot.job = slot.stream = None
        return event

    def _replace(self, slot: _Slot, error: Exception) -> Event | None:
        job, name = slot.job, slot.name
        with contextlib.suppress(Exception):
            ray.kill(slot.actor)
        self._slots[self._slots.index(slot)] = self._open_slot(slot.number)
        if job is None:
            return None
        text = " ".join(str(error).split())[:300]
        return Failed(job.trial, name, "lost", f"worker {name} was lost: {type(error).__name__}: {text}")
