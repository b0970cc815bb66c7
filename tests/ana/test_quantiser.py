"""The quantiser: noise in steps of its stair, any shape and precision, a gradient in evaluation too."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ana_search.ana import (
    NOISE_FAMILIES,
    Annealer,
    LayerSchedule,
    Noise,
    QuantActivation,
    QuantLinear,
    StairFunction,
    quantise,
    quantised_layers,
    regularise,
)
from ana_search.ana.annealer import Backward
from ana_search.ana.evaluation import evaluating
from ana_search.ana.quantiser import Quantiser
from ana_search.ana.strategies import STRATEGIES, Strategy

STEPS = {
    StairFunction.binary(): 2.0,
    StairFunction.binary(0.5): 1.0,
    StairFunction.ternary(0.25): 0.25,
    StairFunction.for_network(4): 0.25,
    StairFunction.from_bits(2, signed=False, quantum=0.07): 0.07,
    StairFunction((0.0, 0.5, 1.0, 1.5), (0.3, 0.6, 0.9), quantum=2.0): 1.0,
    StairFunction((-4.0, -2.0, 2.0, 5.0), (-3.0, 0.0, 3.0), quantum=0.1): 0.3,
    StairFunction((-3.0, 7.0), (0.5,)): 10.0,
}
stairs = pytest.mark.parametrize("stair", STEPS, ids=str)
methods = pytest.mark.parametrize("method", ["noise", "freezing"])


def quantiser(stair: StairFunction, schedule: LayerSchedule, t: float = 0.0) -> Quantiser:
    """Return the activation's quantiser of a layer with this schedule at time ``t``."""
    network = quantise(nn.Sequential(nn.Linear(2, 2), nn.Hardtanh()), stair, stair, keep_last=False)
    Annealer(network, [schedule]).set(t)
    return quantised_layers(network)[0].activations[0].quantiser


def slope(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(leaf).sum(), leaf)
    return gradient


@stairs
def test_noise_counts_in_steps(stair: StairFunction) -> None:
    step = STEPS[stair]
    assert stair.step == pytest.approx(step)
    schedule = LayerSchedule(mean=-0.5, spread=0.4, backward="static", backward_noise="normal", backward_spread=0.7)
    forward, backward = quantiser(stair, schedule).noise()
    assert backward is not None
    assert [float(value) for value in (forward.mean, forward.spread, backward.spread)] == pytest.approx(
        [-0.5 * step, 0.4 * step, 0.7 * step]
    )
    assert forward.most == pytest.approx(0.7 * step)


@pytest.mark.parametrize("quantum", [1.0, 0.5, 0.3])
def test_a_binary_spread_of_a_half_is_the_textbook_window(quantum: float) -> None:
    stair = StairFunction.binary(quantum)
    fresh = Quantiser(stair)
    annealed = quantiser(stair, LayerSchedule(spread=0.5))
    x = torch.linspace(-2.0, 2.0, 400) * quantum
    for module in (fresh, annealed):
        assert torch.allclose(slope(module, x), (x.abs() < quantum).float())


@pytest.mark.parametrize("noise", NOISE_FAMILIES)
def test_a_stair_is_the_same_however_it_is_written(noise: str) -> None:
    """Levels and thresholds may be divided by what the quantum is multiplied with."""
    ways = [StairFunction([-q, q], [0.0], 1.0 / q) for q in (1.0, 2.0, 0.25)]
    x = torch.linspace(-2.0, 2.0, 101)
    first, *others = (quantiser(stair, LayerSchedule(noise=noise, mean=-0.5)) for stair in ways)
    for other in others:
        assert torch.equal(first(x), other(x))
        assert torch.equal(slope(first, x), slope(other, x))
    weights = []
    for stair in ways:
        layer = QuantLinear.from_float(nn.Linear(9, 5), stair)
        layer.reset_weight(-0.5, torch.Generator().manual_seed(1))
        weights.append(layer.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])
    assert (weights[0] + 1.0).abs().max() <= 2.0 / 3.0  # a mean of half a step below the threshold, a third around


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("strategy", STRATEGIES)
@methods
def test_any_shape_and_precision(method: str, strategy: Strategy, dtype: torch.dtype) -> None:
    for stair in STEPS:
        module = quantiser(stair, LayerSchedule("logistic", strategy, method=method, spread_alpha=1.0), 0.5)
        image = torch.randn(2, 3, 4, 5).to(dtype)
        for x in (
            torch.tensor(0.3, dtype=dtype),
            torch.empty(0, dtype=dtype),
            torch.empty(0, 3, 4, 4, dtype=dtype),
            torch.empty(2, 0, 4, dtype=dtype),
            torch.empty(0, 3, 4, 4, dtype=dtype).to(memory_format=torch.channels_last),
            image.to(memory_format=torch.channels_last),
            image.transpose(1, 3),
            image[..., ::2],
            image[:, :1].expand(2, 4, 4, 5),
        ):
            for training in (True, False):
                leaf = x.detach().requires_grad_()
                y = module.train(training)(leaf)
                y.float().sum().backward()
                assert leaf.grad is not None
                assert (y.shape, y.dtype, leaf.grad.shape, leaf.grad.dtype) == (x.shape, dtype, x.shape, dtype)
                assert torch.isfinite(leaf.grad).all()
                if not training:
                    assert torch.equal(y, stair(x))


@methods
@pytest.mark.parametrize("batch", [0, 1, 5])
def test_networks_take_any_number_of_samples(batch: int, method: str) -> None:
    network = quantise(nn.Sequential(nn.Conv2d(2, 3, 3), nn.Hardtanh(), nn.Flatten(), nn.Linear(12, 2)))
    Annealer(network, [LayerSchedule(method=method, spread_alpha=1.0)]).set(0.5)
    y = network(torch.randn(batch, 2, 4, 4))
    y.sum().backward()
    assert y.shape == (batch, 2)
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_layers_may_have_no_elements() -> None:
    for shape in ((3, 0), (0, 3)):
        with pytest.warns(UserWarning, match="zero-element"):
            layer = QuantLinear.from_float(nn.Linear(*shape, bias=False), StairFunction.ternary())
        layer.reset_weight()
        assert layer(torch.randn(2, shape[0])).shape == (2, shape[1])


@methods
@pytest.mark.parametrize("backward", ["same", "static", "annealed"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_evaluation_has_the_gradient_of_training(strategy: Strategy, backward: Backward, method: str) -> None:
    schedule = LayerSchedule("normal", strategy, mean=-0.2, backward=backward, method=method, spread_alpha=1.0)
    module = quantiser(StairFunction.for_network(4), schedule, 0.4)
    x = torch.randn(50, 8)
    trained = slope(module, x)
    with evaluating(module):
        assert torch.allclose(slope(module, x), trained, rtol=1e-5, atol=1e-6)
        assert torch.equal(module(x.requires_grad_()), module.stair(x))
        with torch.no_grad():
            assert not module(x).requires_grad
    assert trained.any()


def test_weights_learn_in_evaluation_mode() -> None:
    network = quantise(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Hardtanh(), nn.Linear(8, 2))).eval()
    network(torch.randn(20, 4)).square().sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.any()


def test_without_noise_the_gradient_in_evaluation_is_zero_and_not_none() -> None:
    module = QuantActivation(StairFunction.ternary()).eval()
    module.quantiser.backward_family = None
    x = torch.randn(9, requires_grad=True)
    module(x).sum().backward()
    assert x.grad is not None
    assert not x.grad.any()
    assert torch.equal(module(x), regularise(x, module.stair, Noise("uniform")))


def test_every_module_gets_its_own_mode_back() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Sequential(nn.Dropout()))
    network.train()
    network[1].eval()
    modes = [module.training for module in network.modules()]
    for error in (False, True):
        with pytest.raises(KeyError) if error else evaluating(network), evaluating(network):
            assert not any(module.training for module in network.modules())
            if error:
                raise KeyError
        assert [module.training for module in network.modules()] == modes
