"""The regularisation gap: what it is, and what it leaves alone."""

import pytest
import torch
from torch import nn

from ana_search.ana import Annealer, LayerSchedule, quantise, quantised_layers, regularisation_gap
from tests.ana.tensors import tensors_of


def network(keep_last: bool = True) -> nn.Module:
    torch.manual_seed(0)
    return quantise(
        nn.Sequential(
            nn.Linear(8, 16, bias=False), nn.BatchNorm1d(16), nn.Hardtanh(), nn.Dropout(0.3),
            nn.Linear(16, 16, bias=False), nn.BatchNorm1d(16), nn.Hardtanh(),
            nn.Linear(16, 3),
        ),
        keep_last=keep_last,
    )  # fmt: skip


BATCH = torch.randn(32, 8, generator=torch.Generator().manual_seed(1))


def schedules(first: float, second: float) -> list[LayerSchedule]:
    return [LayerSchedule(noise="logistic", spread=spread) for spread in (first, second)]


def test_without_noise_there_is_no_gap() -> None:
    module = network()
    assert regularisation_gap(module, BATCH) == [0.0, 0.0]
    Annealer(module, schedules(0.5, 0.5)).set(1.0)
    assert regularisation_gap(module, BATCH) == [0.0, 0.0]


def test_it_is_the_mean_difference_of_the_layers_outputs() -> None:
    module = quantise(nn.Sequential(nn.Linear(8, 16), nn.Hardtanh(), nn.Linear(16, 3)))
    Annealer(module, [LayerSchedule(noise="normal", spread=0.7)])
    assert isinstance(module, nn.Sequential)
    hidden = module[:2]
    noisy = hidden.train()(BATCH)
    exact = hidden.eval()(BATCH)
    assert regularisation_gap(module, BATCH) == [pytest.approx((noisy - exact).abs().mean().item())]


def test_a_layer_feels_only_the_noise_before_it() -> None:
    module = network()
    Annealer(module, schedules(0.0, 0.5))
    first, second = regularisation_gap(module, BATCH)
    assert first == 0.0
    assert second > 0.0
    Annealer(module, schedules(0.5, 0.0))
    first, second = regularisation_gap(module, BATCH)
    assert first > 0.0
    assert second > 0.0


def test_more_noise_is_a_wider_gap() -> None:
    module = network()
    gaps = []
    for spread in (0.05, 0.2, 0.5):
        Annealer(module, schedules(spread, spread))
        gaps.append(regularisation_gap(module, BATCH))
    assert all(sorted(layer) == list(layer) for layer in zip(*gaps, strict=True))


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_changed(training: bool) -> None:
    module = network().train(training)
    Annealer(module, [LayerSchedule(strategy="random")] * 2)
    assert isinstance(module, nn.Sequential)
    module[1].eval()
    modes = [part.training for part in module.modules()]
    tensors = {name: value.clone() for name, value in tensors_of(module).items()}
    state = torch.random.get_rng_state()
    one, other = regularisation_gap(module, BATCH), regularisation_gap(module, BATCH)
    assert one == other
    assert [part.training for part in module.modules()] == modes
    for name, value in tensors_of(module).items():
        assert torch.equal(value, tensors[name])
        assert value.grad is None
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(part._forward_hooks for part in module.modules())


def test_modes_come_back_after_an_error() -> None:
    module = network().train()
    with pytest.raises(RuntimeError):
        regularisation_gap(module, torch.randn(4, 5))
    assert all(part.training for part in module.modules())
    assert not any(part._forward_hooks for part in module.modules())


def test_a_map_without_activation_counts_by_its_own_output() -> None:
    module = network(keep_last=False)
    Annealer(module, [LayerSchedule(spread=0.0), LayerSchedule(spread=0.0), LayerSchedule(spread=0.5)])
    gap = regularisation_gap(module, BATCH)
    assert len(gap) == len(quantised_layers(module)) == 3
    assert gap[:2] == [0.0, 0.0]
    assert gap[2] > 0.0


def test_a_float_network_has_no_layers() -> None:
    assert regularisation_gap(nn.Linear(8, 2), BATCH) == []
