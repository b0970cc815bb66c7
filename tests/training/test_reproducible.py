"""The plan is the only input: nothing that happens around a run changes a bit of it, and it changes nothing."""

import dataclasses
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ana_search.ana import quantised_layers
from ana_search.data import load_dataset
from ana_search.plan import TrainingPlan
from ana_search.training import EpochReport, build, train
from ana_search.training.checkpoint import RunState, load_checkpoint, save_checkpoint
from ana_search.training.optimiser import make_optimiser
from ana_search.training.random_state import seeded, stream
from tests.training.plans import Stop, digits_plan, everything, numbers, stop_after, with_settings

VARIANTS = {
    "expectation": digits_plan(),
    "random": digits_plan(strategy="random"),
    "freezing": digits_plan(method="freezing"),
    "random under a static gradient": digits_plan(strategy="random", backward="static"),
    "augmented": digits_plan(augment=True),
    "recipe": everything(),
    "bfloat16": with_settings(digits_plan(), precision="bfloat16"),
}


def state(network: torch.nn.Module) -> dict[str, list[object]]:
    return {name: tensor.tolist() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_after_others_and_resumed_has_the_same_bits(variant: str, tmp_path: Path) -> None:
    plan = VARIANTS[variant]
    first = train(plan)
    train(digits_plan("same_end", seed=8, strategy="random", epochs=1))
    torch.rand(5)
    with pytest.raises(Stop):
        train(plan, stop_after(2), checkpoint=tmp_path / "c.pt")
    torch.rand(11)
    resumed = train(plan, checkpoint=tmp_path / "c.pt")
    assert numbers(resumed.history) == numbers(first.history)
    assert state(resumed.network) == state(first.network)


def test_another_process_finds_the_same_bits() -> None:
    plan = VARIANTS["random"]
    program = (
        "import sys; from ana_search.plan import TrainingPlan; from ana_search.training import train; "
        "print(*(r.loss.hex() for r in train(TrainingPlan.from_json(sys.stdin.read())).history))"
    )
    threads = str(torch.get_num_threads())
    found = subprocess.run(
        [sys.executable, "-c", program],
        input=plan.to_json(),
        env=os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert found.stdout.split() == [report.loss.hex() for report in train(plan).history]


def test_a_report_that_draws_random_numbers_disturbs_nothing() -> None:
    plan = VARIANTS["random"]
    assert numbers(train(plan, lambda report: torch.manual_seed(1)).history) == numbers(train(plan).history)


def test_torch_is_left_as_it_was() -> None:
    def settings() -> list[object]:
        return [
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_autocast_enabled("cpu"),
        ]

    torch.manual_seed(4)
    before = settings()
    train(digits_plan(strategy="random", epochs=1))
    build(digits_plan(), (1, 8, 8), 10)
    with pytest.raises(Stop):
        train(digits_plan(epochs=2), stop_after(1))
    assert settings() == before


def test_the_data_set_in_memory_is_left_as_it_was() -> None:
    plan = digits_plan(epochs=1, augment=True)
    data = load_dataset(plan.data)
    kept = data.images.clone(), data.labels.clone(), data.train.clone()
    train(plan, dataset=data)
    assert all(torch.equal(old, new) for old, new in zip(kept, (data.images, data.labels, data.train), strict=True))


def test_cells_of_one_replicate_start_from_the_same_weights_and_order() -> None:
    one, other = (
        build(digits_plan(interval, noise=noise, seed=6), (1, 8, 8), 10)[0]
        for interval, noise in (("partition", "uniform"), ("overlapped", "logistic"))
    )
    assert state(one) == state(other)
    assert state(one) != state(build(digits_plan(seed=7), (1, 8, 8), 10)[0])
    assert torch.equal(*(torch.randperm(50, generator=stream(6, purpose)) for purpose in ("order", "order")))


def test_weights_start_near_the_thresholds_shifted_by_the_mean() -> None:
    def weights(mean: float) -> list[torch.Tensor]:
        network, _ = build(digits_plan(mean=mean), (1, 8, 8), 10)
        return [layer.map.weight for layer in quantised_layers(network)]

    for plain, shifted in zip(weights(0.0), weights(-0.5), strict=True):
        assert ((plain.abs() - 0.5).abs() <= 1 / plain[0].numel() ** 0.5 + 1e-6).all()
        assert torch.allclose(shifted, plain - 0.5, atol=1e-6)


def test_streams_of_one_seed_are_independent() -> None:
    draws = [torch.rand(2000, generator=stream(3, purpose)) for purpose in ("order", "augment", "weights")]
    with seeded(3, "noise"):
        draws.append(torch.rand(2000))
    correlations = torch.corrcoef(torch.stack(draws)) - torch.eye(4)
    assert correlations.abs().max() < 0.1


def test_time_before_an_interruption_counts(tmp_path: Path) -> None:
    def slow(report: EpochReport) -> None:
        time.sleep(1.0)
        if report.epoch == 2:
            raise Stop

    plan = digits_plan(epochs=3)
    with pytest.raises(Stop):
        train(plan, slow, checkpoint=tmp_path / "c.pt")
    resumed = train(plan, checkpoint=tmp_path / "c.pt")
    seconds = [report.seconds for report in resumed.history]
    assert seconds == sorted(seconds)
    assert resumed.seconds >= seconds[-1] > 1.0


def test_checkpoints_take_no_more_than_their_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []

    def save_slowly(*words: Any) -> None:
        time.sleep(0.3)
        kept.append(len(words[3]))
        save_checkpoint(*words)

    monkeypatch.setattr(importlib.import_module("ana_search.training.train"), "save_checkpoint", save_slowly)
    plan = digits_plan(epochs=6)
    with pytest.raises(Stop):
        train(plan, stop_after(4), checkpoint=tmp_path / "c.pt")
    assert kept == [1, 4]  # the first, and that of the epoch that was stopped after
    resumed = train(plan, checkpoint=tmp_path / "c.pt")
    assert numbers(resumed.history) == numbers(train(plan).history)


def test_a_full_disk_costs_the_checkpoint_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = digits_plan(epochs=4)
    path = tmp_path / "c.pt"
    with pytest.raises(Stop):
        train(plan, stop_after(1), checkpoint=path)
    before = path.read_bytes()

    def no_space(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ana_search.files.os.replace", no_space)
    assert len(train(plan, checkpoint=path).history) == 4
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def changed(plan: TrainingPlan, change: Callable[[dict[str, object]], None], path: Path) -> None:
    """Write a checkpoint of the plan with something changed in it."""
    with pytest.raises(Stop):
        train(plan, stop_after(1), checkpoint=path)
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(version=0),
        lambda content: content.update(plan="0" * 16),
        lambda content: content["network"].popitem(),
        lambda content: content["network"].update({"0.weight": torch.zeros(1)}),
        lambda content: content.clear(),
    ],
    ids=["version", "plan", "missing weight", "other shape", "nothing in it"],
)
def test_a_checkpoint_that_does_not_fit_is_not_used(
    change: Callable[[dict[str, object]], None], tmp_path: Path
) -> None:
    plan = digits_plan(epochs=2)
    changed(plan, change, tmp_path / "c.pt")
    network, _ = build(plan, (1, 8, 8), 10)
    before = state(network)
    optimiser = make_optimiser(network, plan.training)
    assert load_checkpoint(tmp_path / "c.pt", plan, RunState(network, optimiser)) is None
    assert state(network) == before


@pytest.mark.slow
def test_compiled_runs_agree_with_each_other_and_nearly_with_eager() -> None:
    plan = digits_plan(epochs=2)
    compiled = with_settings(plan, compile=True)
    first = train(compiled)
    # More networks than the compiler keeps versions of one module's code.
    for seed in range(10):
        train(dataclasses.replace(with_settings(compiled, epochs=1), seed=seed))
    again = train(compiled)
    assert numbers(again.history) == numbers(first.history)
    eager = train(plan)
    assert first.history[0].loss == pytest.approx(eager.history[0].loss, rel=0.02)
