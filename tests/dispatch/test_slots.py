"""Slots on a Ray with logical GPUs: which devices a worker sees, and what two nodes do when one goes."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import ray

from ana_search.dispatch import Dispatcher, Done, SlotRequest
from ana_search.dispatch.protocol import Event, Job
from ana_search.dispatch.ray_dispatcher import RayDispatcher
from ana_search.errors import ResourceError
from tests.training.plans import digits_plan


@pytest.fixture(scope="module")
def four_gpus() -> Iterator[None]:
    ray.init(address="local", num_cpus=4, num_gpus=4, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@contextmanager
def slots(request: SlotRequest, address: str | None = None) -> Iterator[RayDispatcher]:
    dispatcher = RayDispatcher(request, address)
    try:
        dispatcher.start()
        until_all_started(dispatcher, request.workers)
        yield dispatcher
    finally:
        dispatcher.close()


def until_all_started(dispatcher: Dispatcher, workers: int) -> None:
    until = time.monotonic() + 240
    while dispatcher.free() < workers:
        dispatcher.events(0.5)
        assert time.monotonic() < until


def until_all_end(dispatcher: Dispatcher, jobs: Sequence[Job]) -> dict[int, Event]:
    """Submit the jobs, for each of which there is a slot, and return how those that finish end."""
    for job in jobs:
        dispatcher.submit(job)
    ended: dict[int, Event] = {}
    until = time.monotonic() + 240
    while len(ended) < len(jobs):
        ended |= {event.trial: event for event in dispatcher.events(0.5) if isinstance(event, Done)}
        assert time.monotonic() < until
    return ended


def devices(dispatcher: RayDispatcher) -> list[str]:
    return ray.get([slot.actor.visible_devices.remote() for slot in dispatcher._slots])


def train_all(dispatcher: Dispatcher, jobs: int) -> dict[int, Event]:
    return until_all_end(dispatcher, [Job(number, digits_plan(epochs=1)) for number in range(jobs)])


def test_two_half_gpu_trials_share_each_device(four_gpus: None) -> None:
    with slots(SlotRequest(8, cpus=0.5, gpus=0.5)) as dispatcher:
        assert Counter(devices(dispatcher)) == {"0": 2, "1": 2, "2": 2, "3": 2}
        for number in range(8):
            dispatcher.submit(Job(number, digits_plan(epochs=200)))
        assert dispatcher.free() == 0
        with pytest.raises(ValueError, match="no slot"):
            dispatcher.submit(Job(8, digits_plan(epochs=200)))
    with pytest.raises(ResourceError, match=r"4 CPUs, 4 GPUs.*at most 8"):
        RayDispatcher(SlotRequest(9, cpus=0.4, gpus=0.5)).start()


@pytest.mark.slow
def test_a_slot_of_two_gpus_sees_two_and_a_slot_of_none_sees_none(four_gpus: None) -> None:
    with slots(SlotRequest(2, gpus=2)) as dispatcher:
        assert sorted(device for seen in devices(dispatcher) for device in seen.split(",")) == ["0", "1", "2", "3"]
    with slots(SlotRequest(2)) as dispatcher:
        assert devices(dispatcher) == ["", ""]
        ended = train_all(dispatcher, 2)
        assert {event.outcome.machine.device for event in ended.values() if isinstance(event, Done)} == {"cpu"}
    assert ray.is_initialized(), "a Ray that was there before is left alone"
