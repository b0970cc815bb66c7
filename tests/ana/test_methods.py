"""Methods against the equations of their publications, written out one element at a time."""

import math
from dataclasses import fields

import pytest
import torch
from torch import nn

from ana_search.ana import Annealer, LayerSchedule, StairFunction, quantise, quantised_layers
from ana_search.ana.methods import METHODS
from ana_search.ana.quantiser import Quantiser
from ana_search.errors import NetworkError

SIGN = StairFunction.binary()
STAIRS = [SIGN, StairFunction.ternary(), StairFunction.for_network(3), StairFunction.from_bits(2, signed=False)]
POINTS = [-2.3, -1.6, -1.2, -0.99, -0.5, -0.31, -0.09, -0.02, 0.01, 0.03, 0.2, 0.43, 0.77, 0.99, 1.3, 1.7, 2.6]
EXACT = sorted(set(METHODS) - {"noise", "freezing", "ana"})


def quantiser_of(method: str, stair: StairFunction, time: float = 0.0) -> Quantiser:
    """Return an activation's quantiser in training, at a time of the annealing budget."""
    network = quantise(nn.Sequential(nn.Linear(2, 2), nn.Hardtanh(), nn.Linear(2, 2)), stair, stair)
    annealer = Annealer(network, [LayerSchedule(method=method)])
    annealer.set(time)
    return quantised_layers(network)[0].activations[0].quantiser


def slopes(method: str, stair: StairFunction, points: list[float], time: float = 0.0) -> list[float]:
    """Return the derivative that the method puts in the place of the stair's."""
    x = torch.tensor(points, requires_grad=True)
    quantiser_of(method, stair, time)(x).sum().backward()
    assert x.grad is not None
    found: list[float] = x.grad.tolist()
    return found


def around(x: float, stair: StairFunction) -> float:
    """Return the distance from the nearest threshold, in half steps."""
    nearest = min(stair.scaled_thresholds, key=lambda t: abs(x - t))
    return (x - nearest) / (0.5 * stair.step)


@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("stair", STAIRS)
def test_the_value_is_the_exact_stair(method: str, stair: StairFunction) -> None:
    """At any time, in training too."""
    x = torch.tensor(POINTS)
    for time in (0.0, 0.5, 1.0):
        assert torch.equal(quantiser_of(method, stair, time)(x), stair(x))


@pytest.mark.parametrize("stair", STAIRS)
def test_clipped_ste(stair: StairFunction) -> None:
    """1 between the outermost levels, else 0 (Hubara et al., 2016, equation 4)."""
    inside = [float(stair.scaled_levels[0] < x < stair.scaled_levels[-1]) for x in POINTS]
    assert slopes("clipped_ste", stair, POINTS) == pytest.approx(inside)


def test_bireal() -> None:
    """The derivative of ApproxSign (Liu et al., ECCV 2018, equation 7)."""
    expected = [2 + 2 * x if -1 <= x < 0 else 2 - 2 * x if 0 <= x < 1 else 0.0 for x in POINTS]
    assert slopes("bireal", SIGN, POINTS) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("stair", STAIRS)
@pytest.mark.parametrize("time", [0.0, 0.3, 1.0])
def test_ede(stair: StairFunction, time: float) -> None:
    """``g'(x) = k t (1 - tanh(t x)**2)`` (Qin et al., CVPR 2020, equations 9 to 11), around every threshold."""
    t = 0.1 * 10 ** (time * math.log10(10 / 0.1))
    k = max(1 / t, 1)
    expected = [k * t * (1 - math.tanh(t * around(x, stair)) ** 2) for x in POINTS]
    assert slopes("ede", stair, POINTS, time) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("stair", STAIRS)
@pytest.mark.parametrize("time", [0.0, 0.3, 1.0])
def test_reste(stair: StairFunction, time: float) -> None:
    """``f'(x) = |x|**((1 - o) / o) / o``, a chord near 0 and nothing far out (Wu et al., ICCV 2023)."""
    o = 1 + 2 * time
    expected = []
    for x in POINTS:
        u = abs(around(x, stair))
        expected.append(0.0 if u > 1.5 else 0.1 ** (1 / o) / 0.1 if u < 0.1 else u ** ((1 - o) / o) / o)
    assert slopes("reste", stair, POINTS, time) == pytest.approx(expected, rel=1e-4)


def test_limits_of_the_estimators_that_change() -> None:
    """The identity at first; in the end EDE's is as steep as ten signs, and ReSTE's steepest at the threshold."""
    inside = [x for x in POINTS if abs(x) < 1]
    assert slopes("ede", SIGN, inside, 0.0) == pytest.approx([1.0] * len(inside), abs=0.01)
    assert slopes("reste", SIGN, inside, 0.0) == pytest.approx([1.0] * len(inside))
    assert slopes("ede", SIGN, [0.0, 0.5, -0.5], 1.0) == pytest.approx([10.0, 0.0018, 0.0018], rel=0.02)
    steep = slopes("reste", SIGN, [0.0, 0.2, 0.9], 1.0)
    assert steep[0] > steep[1] > steep[2] > 0


@pytest.mark.parametrize("stair", STAIRS)
def test_dsq(stair: StairFunction) -> None:
    """The derivative of ``tanh(k u) / tanh(k)`` between the outermost levels (Gong et al., ICCV 2019)."""
    alpha = 0.2
    k = 0.5 * math.log(2 / alpha - 1)
    assert 1 - math.tanh(k) == pytest.approx(alpha)
    expected = []
    for x in POINTS:
        u = around(x, stair)
        expected.append(k / math.tanh(k) * (1 - math.tanh(k * u) ** 2) if abs(u) <= 1 else 0.0)
    assert slopes("dsq", stair, POINTS) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("stair", STAIRS)
def test_dsq_learns_its_temperature(stair: StairFunction) -> None:
    """Its gradient is that of the soft stair, by finite differences in double precision."""
    quantiser = quantiser_of("dsq", stair)
    x = torch.tensor(POINTS)
    quantiser(x).sum().backward()

    def soft(alpha: float) -> float:
        k = 0.5 * math.log(2 / alpha - 1)
        total = 0.0
        for point in POINTS:
            u = around(point, stair)
            if abs(u) <= 1:
                total += 0.5 * stair.step * math.tanh(k * u) / math.tanh(k)
        return total

    expected = (soft(0.2 + 1e-6) - soft(0.2 - 1e-6)) / 2e-6 / math.sqrt(len(POINTS))
    (alpha,) = quantiser.parameters()
    assert alpha.grad is not None
    assert alpha.grad.item() == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("stair", [StairFunction.ternary(), StairFunction.for_network(3)])
def test_tqt_reaches_half_a_step_further(stair: StairFunction) -> None:
    """1 where the argument rounds to a level (Jain et al., MLSys 2020, equation 8)."""
    reach = stair.scaled_levels[-1] + 0.5 * stair.step
    assert slopes("tqt", stair, POINTS) == [float(-reach <= x <= reach) for x in POINTS]


def test_ana_has_noise_that_decays_and_a_gradient_that_stays() -> None:
    """At its end the value is the exact stair; the gradient is that of the clipped estimator throughout."""
    x = torch.tensor(POINTS)
    stair = StairFunction.ternary()
    assert not torch.equal(quantiser_of("ana", stair)(x), stair(x))
    assert torch.equal(quantiser_of("ana", stair, 1.0)(x), stair(x))
    assert slopes("ana", stair, POINTS, 1.0) == slopes("clipped_ste", stair, POINTS)


def test_what_methods_fix_are_fields_of_a_schedule() -> None:
    """A misspelt one would be an error at the first training only."""
    names = {field.name for field in fields(LayerSchedule)}
    for name, method in METHODS.items():
        assert set(method.schedule) <= names - {"method", "start", "end"}, name


def test_an_unknown_method_is_refused() -> None:
    """By name."""
    network = quantise(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
    with pytest.raises(NetworkError, match="method: got 'qat'; allowed: noise, freezing, ana, clipped_ste"):
        Annealer(network, [LayerSchedule(method="qat")])


@pytest.mark.parametrize("mask", ["shared", "own"])
def test_masks_of_freezing(mask: str) -> None:
    """Samples of a batch freeze together, or each for itself; with no refreshes a mask only grows."""
    network = quantise(nn.Sequential(nn.Linear(2, 2), nn.Hardtanh(), nn.Linear(2, 2)))
    annealer = Annealer(network, [LayerSchedule(method="freezing", mask=mask, refreshes=0.0)])  # type: ignore[arg-type]
    quantiser = quantised_layers(network)[0].activations[0].quantiser
    x = torch.zeros(4, 64)
    before = torch.zeros(4, 64, dtype=torch.bool)
    for time in (0.1, 0.4, 0.7):
        annealer.set(time)
        now = quantiser.mask(x).expand(4, 64)
        assert bool((before <= now).all())
        assert bool((now == now[:1]).all()) == (mask == "shared")
        before = now
    assert 0 < int(before.sum()) < before.numel()
