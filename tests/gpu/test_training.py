"""Training on a CUDA device: the same bits every time, and about the accuracy of the CPU."""

from pathlib import Path

import pytest
import torch

from ana_search.ana.methods import METHODS
from ana_search.training import train
from tests.training.plans import Stop, digits_plan, method_plan, numbers, stop_after, with_settings

pytestmark = pytest.mark.gpu

VARIANTS = {
    "expectation": digits_plan(noise="logistic"),
    "mode": digits_plan(strategy="mode"),
    "random": digits_plan(strategy="random", augment=True),
    "freezing": digits_plan(method="freezing"),
    "bfloat16": with_settings(digits_plan(), precision="bfloat16"),
    "compiled": with_settings(digits_plan(), compile=True),
} | {method: method_plan(method, scale_per="channel") for method in METHODS if method not in ("noise", "freezing")}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_after_others_and_resumed_has_the_same_bits(variant: str, tmp_path: Path) -> None:
    plan = VARIANTS[variant]
    first = train(plan, device="cuda")
    torch.rand(5, device="cuda")
    with pytest.raises(Stop):
        train(plan, stop_after(2), checkpoint=tmp_path / "c.pt", device="cuda")
    torch.rand(11, device="cuda")
    resumed = train(plan, checkpoint=tmp_path / "c.pt", device="cuda")
    assert numbers(resumed.history) == numbers(first.history)
    for name, tensor in first.network.state_dict().items():
        assert tensor.is_cuda
        assert torch.equal(tensor, resumed.network.state_dict()[name])


def test_the_random_state_is_left_as_it_was() -> None:
    before = torch.get_rng_state(), torch.cuda.get_rng_state()
    train(digits_plan(strategy="random", epochs=1), device="cuda")
    assert torch.equal(before[0], torch.get_rng_state())
    assert torch.equal(before[1], torch.cuda.get_rng_state())


def test_reaches_what_the_cpu_reaches() -> None:
    plan = digits_plan("partition", epochs=20, width=16)
    accuracy = train(plan, device="cuda").accuracy
    assert accuracy > 0.85
    assert accuracy == pytest.approx(train(plan, device="cpu").accuracy, abs=0.05)
