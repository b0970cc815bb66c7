"""Every method trains, goes on from a checkpoint to the last bit, and is what a plan says."""

from pathlib import Path

import pytest
import torch
from torch import nn

from ana_search.ana.methods import METHODS
from ana_search.plan import TrainingPlan
from ana_search.training import train
from tests.training.plans import Stop, method_plan, numbers, stop_after


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return all tensors of a network."""
    return network.state_dict()


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_is_resumed_is_the_same_to_the_last_bit(method: str, tmp_path: Path) -> None:
    plan = method_plan(method, scale_per="channel")
    whole = train(plan, threads=1)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Stop):
        train(plan, stop_after(2), checkpoint=path, threads=1)
    resumed = train(plan, checkpoint=path, threads=1)
    assert numbers(resumed.history) == numbers(whole.history)
    for name, tensor in state(whole.network).items():
        assert torch.equal(state(resumed.network)[name], tensor), name
    again = train(TrainingPlan.from_json(plan.to_json()), threads=1)
    assert numbers(again.history) == numbers(whole.history)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns(method: str) -> None:
    """Digits, width 4, few epochs: far above one in ten."""
    assert train(method_plan(method, epochs=8), threads=1).accuracy > 0.4
