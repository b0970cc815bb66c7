"""Whether a cluster has room for the slots that a study asks for."""

from collections.abc import Mapping

import pytest

from ana_search.dispatch import SlotRequest
from ana_search.dispatch.resources import check_request, local_resources, slots_on
from ana_search.errors import ResourceError

NODE = {"CPU": 8.0, "GPU": 2.0}


@pytest.mark.parametrize(
    ("request_", "slots"),
    [
        (SlotRequest(100), 8),
        (SlotRequest(100, cpus=3), 2),
        (SlotRequest(100, cpus=0.5), 16),
        (SlotRequest(100, cpus=1, gpus=0.5), 4),
        (SlotRequest(100, cpus=1, gpus=0.6), 2),  # a fraction never spans two devices
        (SlotRequest(100, cpus=1, gpus=1 / 3), 6),
        (SlotRequest(100, cpus=1, gpus=2), 1),
        (SlotRequest(100, cpus=1, gpus=3), 0),
        (SlotRequest(100, cpus=0), 100),
        (SlotRequest(100, cpus=0, gpus=1), 2),
    ],
)
def test_slots_of_one_node(request_: SlotRequest, slots: int) -> None:
    assert slots_on(NODE, request_) == slots


def test_slots_are_counted_over_all_nodes() -> None:
    check_request(SlotRequest(4, gpus=1), [NODE, NODE])
    with pytest.raises(
        ResourceError, match=r"5 workers with 1 CPU and 1 GPU each.*2 nodes: 8 CPUs, 2 GPUs; .*at most 4"
    ):
        check_request(SlotRequest(5, gpus=1), [NODE, NODE])


@pytest.mark.parametrize(
    ("request_", "nodes", "says"),
    [
        (SlotRequest(1, gpus=4), [NODE], "8 CPUs, 2 GPUs.*a smaller"),
        (SlotRequest(1, gpus=4), [NODE, NODE], "a smaller"),
        (SlotRequest(1), [], "nothing"),
        (SlotRequest(1, gpus=1.5), [NODE], "gpus_per_trial = 1.5.*whole GPUs"),
    ],
)
def test_what_never_fits_is_refused_with_what_there_is(
    request_: SlotRequest, nodes: list[Mapping[str, float]], says: str
) -> None:
    with pytest.raises(ResourceError, match=says) as caught:
        check_request(request_, nodes)
    assert caught.value.exit_code == 2


def test_memory_limits_workers_that_reserve_no_cpu() -> None:
    node = {"CPU": 2.0, "GPU": 0.0, "memory": 4.0 * 2**30}
    for cpus in (0.0, 0.01):
        check_request(SlotRequest(8, cpus=cpus), [node])
        with pytest.raises(ResourceError, match=r"4\.0 GiB of memory; allowed: at most 8 workers.*512 MiB of memory"):
            check_request(SlotRequest(9, cpus=cpus), [node])
    assert local_resources()["memory"] > 2**28
