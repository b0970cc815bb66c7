"""Training one plan: same bits, checkpoints, divergence, what is left alone."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ana_search.ana import LayerSchedule, decay_intervals, decay_powers
from ana_search.data import load_dataset
from ana_search.errors import DataError, DivergedError
from ana_search.plan import DataPlan, LayerPlan, NetworkPlan, TrainingPlan, TrainingSettings, compress
from ana_search.training import EpochReport, evaluate, train
from ana_search.training.learning_rate import learning_rate_at

DIGITS = DataPlan("digits", validation=0.25)


def digits_plan(
    interval: str = "partition", *, epochs: int = 4, width: int = 4, seed: int = 3, **schedule: object
) -> TrainingPlan:
    powers = decay_powers("homogeneous", layers=5)
    schedules = [
        LayerSchedule(start=start, end=end, mean_alpha=0.0, spread_alpha=2.0 * power, **schedule)
        for (start, end), power in zip(decay_intervals(interval, layers=5), powers, strict=True)
    ]
    layers = tuple(LayerPlan("ternary", "ternary", one, one) for one in schedules)
    return TrainingPlan(DIGITS, NetworkPlan("digits_cnn", width), layers, TrainingSettings(epochs=epochs), seed)


def numbers(history: list[EpochReport]) -> list[tuple[object, ...]]:
    """Return everything in a history but the time it took."""
    return [dataclasses.astuple(dataclasses.replace(report, seconds=0.0)) for report in history]


class Stop(Exception):
    pass


def stop_after(epoch: int) -> Callable[[EpochReport], None]:
    def report(done: EpochReport) -> None:
        if done.epoch == epoch:
            raise Stop

    return report


@pytest.mark.parametrize("strategy", ["expectation", "mode", "random"])
def test_same_plan_same_bits(strategy: str) -> None:
    plan = digits_plan(strategy=strategy, epochs=2)
    one = train(plan)
    torch.rand(17)  # what happens between two runs must not matter
    other = train(plan)
    assert numbers(one.history) == numbers(other.history)
    for a, b in zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_the_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    train(digits_plan(epochs=1))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
def test_resuming_changes_nothing(optimiser: str, tmp_path: Path) -> None:
    plan = digits_plan(strategy="random", epochs=4)
    plan = dataclasses.replace(plan, training=dataclasses.replace(plan.training, optimiser=optimiser))
    through = train(plan)
    checkpoint = tmp_path / "trial" / "checkpoint.pt"
    for epoch in (1, 3):
        with pytest.raises(Stop):
            train(plan, stop_after(epoch), checkpoint=checkpoint)
        assert checkpoint.is_file()
    resumed = train(plan, checkpoint=checkpoint)
    assert numbers(resumed.history) == numbers(through.history)
    assert [path.name for path in checkpoint.parent.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04 half a zip"])
def test_an_unreadable_checkpoint_starts_anew(content: bytes, tmp_path: Path) -> None:
    plan = digits_plan(epochs=2)
    (tmp_path / "c.pt").write_bytes(content)
    assert train(plan, checkpoint=tmp_path / "c.pt").accuracy == train(plan).accuracy


def test_a_checkpoint_of_another_plan_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        train(digits_plan(epochs=3, seed=1), stop_after(1), checkpoint=tmp_path / "c.pt")
    plan = digits_plan(epochs=2, seed=2)
    assert numbers(train(plan, checkpoint=tmp_path / "c.pt").history) == numbers(train(plan).history)


def test_a_data_set_in_memory_makes_no_difference() -> None:
    plan = digits_plan(epochs=1)
    assert train(plan, dataset=load_dataset(DIGITS)).accuracy == train(plan).accuracy


def test_replicates_differ_and_cells_of_one_replicate_are_paired() -> None:
    first = train(digits_plan(epochs=1, seed=1)).history[0]
    assert first.loss != train(digits_plan(epochs=1, seed=2)).history[0].loss


def test_the_learning_rate_drops_once() -> None:
    settings = TrainingSettings(epochs=10, learning_rate=1.0, lr_drop=0.2)
    rates = [learning_rate_at(step, 100, settings) for step in range(100)]
    assert rates == [1.0] * 80 + [0.1] * 20
    assert learning_rate_at(99, 100, dataclasses.replace(settings, lr_drop=0.0)) == 1.0


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    plan = digits_plan(epochs=2)
    plan = dataclasses.replace(plan, training=dataclasses.replace(plan.training, optimiser="sgd", learning_rate=1e38))
    with pytest.raises(DivergedError, match="epoch"):
        train(plan)


def test_the_gap_closes_from_the_input_under_partition() -> None:
    history = train(digits_plan("partition", epochs=10)).history
    assert history[-1].gap == (0.0,) * 5
    closed = [next(r.epoch for r in history if r.gap[layer] == 0.0) for layer in range(5)]
    assert closed == sorted(closed)
    assert closed[0] < closed[-1]


def test_after_training_the_network_is_the_stair_network() -> None:
    result = train(digits_plan(epochs=2))
    accuracy, predictions = evaluate(result.network, load_dataset(DIGITS))
    assert accuracy == result.accuracy
    assert predictions.shape == (374,)
    assert not result.network.training


def test_bits_by_layer() -> None:
    plan = digits_plan(epochs=1)
    bits = (1, 2, 3, 4, 8)
    layers = tuple(
        dataclasses.replace(layer, weight_bits=bit, activation_bits=bit)
        for layer, bit in zip(plan.layers, bits, strict=True)
    )
    network = train(dataclasses.replace(plan, layers=layers)).network
    levels = [len(m.stair.levels) for m in network.modules() if hasattr(m, "stair") and hasattr(m, "family")]
    assert levels == [2, 2, 4, 4, 7, 7, 15, 15, 255, 255]


def test_lower_precision_trains() -> None:
    plan = digits_plan(epochs=2)
    plan = dataclasses.replace(plan, training=dataclasses.replace(plan.training, precision="bfloat16"))
    assert train(plan).accuracy > 0.1


def test_batches_of_one_image_are_refused() -> None:
    plan = digits_plan(epochs=1)
    plan = dataclasses.replace(plan, training=dataclasses.replace(plan.training, batch_size=1))
    with pytest.raises(DataError, match="at least 2"):
        train(plan)


def test_compressing_keeps_everything_but_the_epochs() -> None:
    plan = digits_plan(epochs=9)
    short = compress(plan, 3)
    assert short.training.epochs == 3
    assert short.layers == plan.layers
    assert short.hash != plan.hash


def test_plans_survive_json() -> None:
    plan = digits_plan(mean=-0.5, noise="logistic")
    assert TrainingPlan.from_json(plan.to_json()) == plan
    assert TrainingPlan.from_json(plan.to_json()).hash == plan.hash


@pytest.mark.slow
def test_digits_reach_what_the_method_promises() -> None:
    """Forward noise annealed in order beats annealing in reverse; an STE comes close to floating point."""
    ordered = train(digits_plan("partition", epochs=20, width=16)).accuracy
    reversed_order = train(digits_plan("reverse_partition", epochs=20, width=16)).accuracy
    static = train(digits_plan("overlapped", epochs=20, width=16, backward="static", spread=0.0)).accuracy
    assert ordered > 0.85
    assert reversed_order < ordered - 0.05
    assert static > 0.93
