"""A network in a user's file on Ray's workers: they run the text that the driver has read, not what lies there now."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import ray

from ana_search.dispatch import Done, SlotRequest
from ana_search.dispatch.protocol import Job
from ana_search.dispatch.ray_dispatcher import RayDispatcher
from ana_search.networks import import_code
from ana_search.plan import NetworkPlan
from tests.dispatch.test_slots import until_all_end, until_all_started
from tests.training.plans import digits_plan

CODE = """\
from torch import nn


def make(input_shape, classes, width=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Hardtanh(), nn.Linear(width, classes))
"""


@pytest.mark.slow
def test_workers_run_the_text_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / "net.py"
    file.write_text(CODE)
    code = import_code(f"{file}:make")
    file.write_text("raise SystemExit('edited since')\n")
    plan = digits_plan(epochs=1)
    plan = replace(plan, network=NetworkPlan(f"{file}:make", 8), layers=plan.layers[:1])
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    dispatcher = RayDispatcher(SlotRequest(1), data=plan.data, code=code)
    try:
        dispatcher.start()
        until_all_started(dispatcher, 1)
        (ended,) = until_all_end(dispatcher, [Job(0, plan)]).values()
    finally:
        dispatcher.close()
        ray.shutdown()
    assert isinstance(ended, Done), ended
