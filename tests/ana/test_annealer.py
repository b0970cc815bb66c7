"""Every layer's noise at every moment, and what the annealer does with it."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ana_search.ana import (
    SCHEDULES,
    Annealer,
    LayerSchedule,
    NoiseState,
    decay_intervals,
    decay_powers,
    quantise,
    quantised_layers,
)
from ana_search.ana.annealer import Backward, noise_state
from ana_search.ana.quantiser import Quantiser
from ana_search.errors import NetworkError
from tests.ana.cases import CHECKS
from tests.ana.tensors import tensors_of


def network(layers: int = 3) -> nn.Module:
    blocks = [module for _ in range(layers) for module in (nn.Linear(6, 6), nn.Hardtanh())]
    return quantise(nn.Sequential(*blocks, nn.Linear(6, 2)))


def quantisers(module: nn.Module) -> list[Quantiser]:
    return [part for part in module.modules() if isinstance(part, Quantiser)]


def numbers(module: nn.Module) -> list[float]:
    return [value.item() for part in quantisers(module) for value in tensors_of(part).values()]


def test_the_reference_schedule_is_the_papers() -> None:
    schedule = LayerSchedule(mean=-0.5, spread=0.5, start=0.25, end=0.75, mean_alpha=3.0, spread_alpha=6.0)
    assert noise_state(schedule, 0.1) == NoiseState(-0.5, 0.5, -0.5, 0.5)
    state = noise_state(schedule, 0.5)
    assert state.forward_mean == pytest.approx(-0.5 * 0.5**3)
    assert state.forward_spread == pytest.approx(0.5 * 0.5**6)
    assert noise_state(schedule, 0.75) == NoiseState(0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("shape", SCHEDULES)
@CHECKS
@given(st.floats(0.0, 0.6), st.floats(0.0, 8.0), st.floats(-1.0, 1.0))
def test_noise_only_ever_shrinks_and_is_gone_at_the_end(shape: str, start: float, alpha: float, mean: float) -> None:
    schedule = LayerSchedule(decay=shape, mean=mean, start=start, end=start + 0.4, mean_alpha=alpha, spread_alpha=alpha)
    gone = NoiseState(0.0, 0.0, 0.0, 0.0)
    states = [noise_state(schedule, step / 40) for step in range(41)]
    assert states[0].forward_spread == pytest.approx(0.5)
    for earlier, later in itertools.pairwise(states):
        assert later.forward_spread <= earlier.forward_spread + 1e-12
        assert abs(later.forward_mean) <= abs(earlier.forward_mean) + 1e-12
    assert states[-1] == (gone if alpha else states[0])


@pytest.mark.parametrize("shape", SCHEDULES)
def test_what_is_static_stays_for_ever(shape: str) -> None:
    times = (0.0, 0.4, 0.79, 0.8, 1.0, 1.4)
    still = LayerSchedule(decay=shape, mean=-0.5, end=0.8, mean_alpha=0.0, spread_alpha=2.0)
    assert [noise_state(still, t).forward_mean for t in times] == [-0.5] * 6
    assert [noise_state(still, t).forward_spread for t in times[3:]] == [0.0] * 3
    noisy = LayerSchedule(decay=shape, mean=-0.5, end=0.8, mean_alpha=1.0, spread_alpha=0.0)
    assert [noise_state(noisy, t).forward_spread for t in times] == [0.5] * 6
    assert [noise_state(noisy, t).backward_spread for t in times] == [0.5] * 6
    backward = LayerSchedule(decay=shape, backward="annealed", backward_end=0.8, backward_alpha=0.0)
    assert [noise_state(backward, t).backward_spread for t in times] == [0.5] * 6
    soft = LayerSchedule(decay=shape, method="freezing", end=0.8, spread_alpha=0.0)
    assert [noise_state(soft, t).frozen for t in times] == [0.0] * 6


def test_a_static_spread_draws_levels_and_has_a_gradient_after_the_end() -> None:
    module = network(1)
    annealer = Annealer(module, [LayerSchedule(strategy="random", spread_alpha=0.0, end=0.5)])
    annealer.set(1.0)
    (layer,) = quantised_layers(module)
    x = torch.full((400,), 0.5, requires_grad=True)
    y = layer.activations[0](x)
    y.sum().backward()
    assert set(y.tolist()) == {0.0, 1.0}
    assert x.grad is not None
    assert x.grad.eq(1.0).all()


def test_spreads_too_small_for_single_precision_are_none() -> None:
    schedule = LayerSchedule(spread_alpha=14.0)
    assert noise_state(schedule, 0.5).forward_spread > 0.0
    assert noise_state(schedule, 0.9).forward_spread == 0.0


def test_the_backward_noise_is_the_same_static_or_annealed() -> None:
    def backward(t: float, kind: Backward) -> float:
        schedule = LayerSchedule(
            spread_alpha=1.0,
            backward=kind,
            backward_spread=0.8,
            backward_start=0.5,
            backward_end=1.5,
            backward_alpha=2.0,
        )
        return noise_state(schedule, t).backward_spread

    assert [backward(t, "same") for t in (0.0, 0.5, 1.0)] == [0.5, 0.25, 0.0]
    assert [backward(t, "static") for t in (0.0, 0.5, 1.0, 9.0)] == [0.8] * 4
    assert [backward(t, "annealed") for t in (0.0, 0.5, 1.0, 1.5)] == pytest.approx([0.8, 0.8, 0.2, 0.0])


def test_freezing_keeps_the_noise_and_grows_the_mask() -> None:
    schedule = LayerSchedule(method="freezing", end=0.8, spread_alpha=1.0)
    states = [noise_state(schedule, t) for t in (0.0, 0.2, 0.6, 0.8)]
    assert [state.frozen for state in states] == pytest.approx([0.0, 0.25, 0.75, 1.0])
    assert [state.forward_spread for state in states] == [0.5, 0.5, 0.5, 0.0]


@pytest.mark.parametrize("policy", ["overlapped", "same_start", "same_end", "partition", "reverse_partition"])
@pytest.mark.parametrize("law", ["homogeneous", "progressive", "regressive"])
def test_the_quantisers_get_the_noise_of_their_layer(policy: str, law: str) -> None:
    schedules = [
        LayerSchedule(mean=-0.5, start=start, end=end, mean_alpha=alpha, spread_alpha=2.0 * alpha)
        for (start, end), alpha in zip(decay_intervals(policy, 3), decay_powers(law, 3), strict=True)
    ]
    module = network()
    annealer = Annealer(module, schedules)
    for t in (0.0, 0.3, 0.5, 0.9, 1.0, 1.7):
        annealer.set(t)
        for layer, schedule in zip(quantised_layers(module), schedules, strict=True):
            (start, end), alpha = (schedule.start, schedule.end), schedule.mean_alpha
            left = min(max((end - t) / (end - start), 0.0), 1.0)
            for quantiser in (layer.map.weight_quantiser, layer.activations[0].quantiser):
                assert quantiser.forward_mean.item() == pytest.approx(-0.5 * left**alpha, abs=1e-6)
                assert quantiser.forward_spread.item() == pytest.approx(0.5 * left ** (2 * alpha), abs=2e-6)


def test_a_new_annealer_sets_the_first_moment_and_the_kind_of_noise() -> None:
    module = network(1)
    weights = LayerSchedule(noise="logistic", strategy="random", spread=0.7, spread_measure="deviation")
    activations = LayerSchedule(noise="triangular", backward="static", backward_noise="normal", method="freezing")
    Annealer(module, [weights], [activations])
    first, second = quantisers(module)
    assert (first.family, first.strategy, first.spread_measure, first.backward_family) == (
        "logistic",
        "random",
        "deviation",
        None,
    )
    assert (second.family, second.backward_family, second.freezing) == ("triangular", "normal", True)
    assert first.forward_spread.item() == pytest.approx(0.7)
    assert first.seed != second.seed


def test_asking_for_a_state_changes_nothing() -> None:
    module = network()
    annealer = Annealer(module, [LayerSchedule()] * 3)
    before = numbers(module)
    states = annealer.state(0.5)
    assert numbers(module) == before
    assert states == [(noise_state(LayerSchedule(), 0.5),) * 2] * 3


def test_networks_do_not_share_their_noise() -> None:
    one, other = network(), network()
    first = Annealer(one, [LayerSchedule()] * 3)
    Annealer(other, [LayerSchedule()] * 3)
    before = numbers(other)
    first.set(1.0)
    assert numbers(other) == before
    assert numbers(one) != before


def test_a_wrong_number_of_schedules_is_refused() -> None:
    with pytest.raises(NetworkError, match="got 2 schedules for 3 layers"):
        Annealer(network(), [LayerSchedule()] * 2)
    with pytest.raises(NetworkError, match="got 4 schedules for 3 layers"):
        Annealer(network(), [LayerSchedule()] * 3, [LayerSchedule()] * 4)


def test_weights_start_near_the_thresholds_plus_the_first_mean() -> None:
    module = network()
    annealer = Annealer(module, [LayerSchedule(mean=mean) for mean in (0.0, -0.5, 0.25)])
    annealer.reset_weights(torch.Generator().manual_seed(2))
    for layer, mean in zip(quantised_layers(module), (0.0, -0.5, 0.25), strict=True):
        distance = ((layer.map.weight - mean).abs() - 0.5).abs()
        assert distance.max() <= 1.0 / math.sqrt(6) + 1e-6
    again = network()
    Annealer(again, [LayerSchedule(mean=mean) for mean in (0.0, -0.5, 0.25)]).reset_weights(
        torch.Generator().manual_seed(2)
    )
    for one, other in zip(quantised_layers(module), quantised_layers(again), strict=True):
        assert torch.equal(one.map.weight, other.map.weight)


def test_evaluation_knows_no_noise() -> None:
    module = network().eval()
    annealer = Annealer(module, [LayerSchedule(spread=2.0)] * 3)
    x = torch.randn(5, 6)
    noisy_time = module(x)
    annealer.set(1.0)
    assert torch.equal(module(x), noisy_time)
