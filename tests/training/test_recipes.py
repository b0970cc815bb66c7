"""What training does for accuracy besides: against the formulas written out, and against PyTorch's own."""

import dataclasses
import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from ana_search.ana.evaluation import evaluating
from ana_search.ana.recalibrate import recalibrate
from ana_search.data import load_dataset
from ana_search.plan import Reference, TrainingPlan, TrainingSettings
from ana_search.training import FloatStore, evaluate, train
from ana_search.training.average import Average
from ana_search.training.learning_rate import LEARNING_RATES, learning_rate_at
from ana_search.training.loss import loss_of
from ana_search.training.optimiser import make_optimiser
from tests.training.plans import Stop, digits_plan, everything, numbers, with_settings

SETTINGS = TrainingSettings(epochs=1, learning_rate=0.5)


def rates(steps: int, **settings: object) -> list[float]:
    plan = dataclasses.replace(SETTINGS, **settings)  # type: ignore[arg-type]  # names and values are the test's
    return [learning_rate_at(step, steps, plan) for step in range(steps)]


def test_the_cosine_is_that_of_pytorch() -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=50)
    for ours in rates(50, schedule="cosine"):
        assert ours == pytest.approx(theirs.get_last_lr()[0])
        optimiser.step()
        theirs.step()


def test_one_cycle_is_that_of_pytorch() -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    # Theirs reaches the end in the last step, ours after it: as many steps less one.
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.5, total_steps=1001, cycle_momentum=False)
    for ours in rates(1000, schedule="one_cycle"):
        assert ours == pytest.approx(theirs.get_last_lr()[0], abs=0.002)
        optimiser.step()
        theirs.step()


@pytest.mark.parametrize("schedule", ["drop", "cosine"])
def test_warm_up_rises_in_a_straight_line_and_leaves_the_rest_to_the_schedule(schedule: str) -> None:
    warm = rates(100, schedule=schedule, warmup=0.2)
    rises = [after - before for before, after in itertools.pairwise(warm[:20])]
    assert 0 < warm[0] < 0.05
    assert rises == pytest.approx([rises[0]] * 19)
    assert warm[20:] == pytest.approx(rates(80, schedule=schedule))


def test_every_schedule_stays_within_the_learning_rate() -> None:
    assert set(LEARNING_RATES) == {"drop", "cosine", "one_cycle"}
    for schedule in LEARNING_RATES:
        assert all(0 < rate <= 0.5 for rate in rates(77, schedule=schedule))


def test_the_loss_is_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, taught = torch.randn(2, 6, 4, generator=generator, dtype=torch.float32)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    settings = dataclasses.replace(SETTINGS, label_smoothing=0.1, distillation=0.3, temperature=2.0)
    wanted = 0.9 * functional.one_hot(labels, 4) + 0.1 / 4
    log_probability = logits - logits.exp().sum(1, keepdim=True).log()
    hard = -(wanted * log_probability).sum(1).mean()
    assert loss_of(logits, labels, settings).item() == pytest.approx(hard.item(), rel=1e-5)
    theirs = (taught / 2).exp() / (taught / 2).exp().sum(1, keepdim=True)
    ours = (logits / 2).exp() / (logits / 2).exp().sum(1, keepdim=True)
    soft = (theirs * (theirs / ours).log()).sum(1).mean()
    both = 0.7 * hard + 0.3 * 2.0**2 * soft
    assert loss_of(logits, labels, settings, taught).item() == pytest.approx(both.item(), rel=1e-5)
    assert loss_of(logits, functional.one_hot(labels, 4).float(), settings).item() == pytest.approx(
        hard.item(), rel=1e-5
    )


def test_only_weights_decay() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    plain, weights = (
        make_optimiser(network, dataclasses.replace(SETTINGS, weight_decay=0.1, weight_decay_of=of))
        for of in ("all", "weights")
    )
    assert [group["weight_decay"] for group in plain.param_groups] == [0.1]
    decaying, others = weights.param_groups
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert [p.dim() for p in decaying["params"]] == [4, 2]
    assert all(p.dim() == 1 for p in others["params"])


def test_the_average_is_the_mean_at_first_and_then_exponential() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = Average(network, 4.0)
    values = [3.0, 5.0, 1.0, 7.0, 2.0, 8.0]
    expected = 0.0
    for number, value in enumerate(values, 1):
        with torch.no_grad():
            network.weight.fill_(value)
        average.update()
        expected += (value - expected) / min(4, number)
        assert next(average.network.parameters()).item() == pytest.approx(expected)
    other = Average(nn.Linear(1, 1, bias=False), 4.0)
    assert other.fits(average.state())
    assert not other.fits(None)
    assert not other.fits({"steps": 3, "network": {}})
    other.restore(average.state())
    assert next(other.network.parameters()).item() == pytest.approx(expected)


def test_recalibrated_statistics_are_those_of_the_exact_network() -> None:
    plan = digits_plan(epochs=1)
    result = train(plan)
    data = load_dataset(plan.data)
    inputs = data.encode(data.images[data.train[:300]])
    recalibrate(result.network, inputs.split(100))  # type: ignore[no-untyped-call]  # torch gives no types
    seen: dict[str, torch.Tensor] = {}
    norms = {name: m for name, m in result.network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    norm = next(iter(norms.values()))
    norm.register_forward_pre_hook(lambda _, given: seen.__setitem__("x", given[0]))
    with evaluating(result.network), torch.no_grad():
        batches = []
        for part in inputs.split(100):  # type: ignore[no-untyped-call]
            result.network(part)
            batches.append(seen["x"].double())
    means = torch.stack([x.mean(dim=(0, 2, 3)) for x in batches]).mean(0)
    variances = torch.stack([x.var(dim=(0, 2, 3)) for x in batches]).mean(0)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert torch.allclose(norm.running_mean.double(), means, atol=1e-5)
    assert torch.allclose(norm.running_var.double(), variances, rtol=1e-4)
    assert norm.momentum == 0.1
    assert not norm.training


def test_clipping_limits_a_step() -> None:
    plan = with_settings(digits_plan(epochs=1), optimiser="sgd", learning_rate=1.0, schedule="cosine")
    tiny = train(with_settings(plan, clip=1e-9)).network.state_dict()
    still = train(with_settings(plan, learning_rate=1e-30)).network.state_dict()
    weights = [name for name, tensor in tiny.items() if name.endswith("weight") and tensor.dim() > 1]
    assert weights
    for name in weights:
        assert torch.allclose(tiny[name], still[name], atol=1e-5)


def test_the_average_is_what_is_kept() -> None:
    plan = with_settings(digits_plan(epochs=2), average="ema", average_span=0.3)
    result = train(plan)
    plain = train(with_settings(plan, average="none"))
    assert not torch.equal(*(next(r.network.parameters()) for r in (result, plain)))
    assert evaluate(result.network, load_dataset(plan.data))[0] == result.accuracy


def test_a_teacher_is_trained_once_and_kept(tmp_path: Path) -> None:
    plan = everything(epochs=1)
    store, epochs = FloatStore(tmp_path / "float"), []
    first = train(plan, floats=store, pause=lambda: epochs.append(1))
    assert len(epochs) == 2
    wanted = plan.float_plan
    assert wanted is not None
    kept = sorted(path.name for path in (tmp_path / "float").iterdir() if path.suffix != ".lock")
    assert kept == [f"{wanted.hash}.json", f"{wanted.hash}.pt"]
    again = train(plan, floats=store, pause=lambda: epochs.append(1))
    other = train(plan)  # nowhere kept: trained anew
    assert len(epochs) == 2
    assert numbers(first.history) == numbers(again.history) == numbers(other.history)
    (tmp_path / "float" / f"{wanted.hash}.pt").write_bytes(b"damaged")
    assert numbers(train(plan, floats=store, pause=lambda: epochs.append(1)).history) == numbers(first.history)
    assert len(epochs) == 4


def test_a_teacher_that_is_interrupted_goes_on(tmp_path: Path) -> None:
    plan = everything(epochs=1)
    seen: list[int] = []

    def pause() -> None:
        seen.append(1)
        if len(seen) == 1:
            raise Stop

    store = FloatStore(tmp_path)
    with pytest.raises(Stop):
        train(plan, floats=store, pause=pause)
    resumed = train(plan, floats=store, pause=pause)
    assert len(seen) == 2
    assert numbers(resumed.history) == numbers(train(plan).history)


def test_a_network_in_floating_point_learns_and_has_no_quantiser() -> None:
    plan: TrainingPlan = dataclasses.replace(digits_plan(epochs=6, width=8), layers=())
    result = train(plan)
    assert result.accuracy > 0.9
    assert not [name for name, _ in result.network.named_modules() if "quantiser" in name]
    assert result.history[-1].gap == ()


def test_a_teacher_changes_what_is_learnt() -> None:
    plan = digits_plan(epochs=2)
    taught = dataclasses.replace(with_settings(plan, teacher="float"), reference=Reference(TrainingSettings(epochs=2)))
    assert train(taught).history[-1].loss != train(plan).history[-1].loss
    assert math.isfinite(train(taught).history[-1].loss)
