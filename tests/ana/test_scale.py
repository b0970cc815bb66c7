"""Scales of quantisers against the equations of their publications, written out."""

import math

import pytest
import torch
from torch import nn

from ana_search.ana import Annealer, LayerSchedule, StairFunction, quantise, quantised_layers
from ana_search.ana.codes_in_use import activation_levels, weight_codes, weight_levels
from ana_search.ana.quantiser import Quantiser
from ana_search.ana.scale import Scale, significant_bits
from ana_search.ana.scales import LayerScales, give_scales
from ana_search.errors import NetworkError

BELOW_INSIDE_ABOVE = torch.tensor([-9.0, -2.3, -1.51, -1.2, -0.6, -0.2, 0.01, 0.3, 0.7, 1.2, 1.6, 2.4, 9.0])


def trained(stair: StairFunction, method: str, kind: str, channels: int | None = None) -> Quantiser:
    """Return the weight quantiser of a network of one layer that is trained by a method."""
    layer = nn.Sequential(nn.Linear(4, channels or 2), nn.Linear(2, 2))
    network = quantise(layer, stair, stair, scale=kind, per_channel=channels is not None)  # type: ignore[arg-type]
    Annealer(network, [LayerSchedule(method=method)])
    return quantised_layers(network)[0].map.weight_quantiser


@pytest.mark.parametrize("bits", [1, "ternary", 2, 3, 4, 8])
@pytest.mark.parametrize("signed", [True, False])
def test_lsq_against_its_equations(bits: int | str, signed: bool) -> None:
    """Equations 1, 3 and 5 of Esser et al. (2020), element by element, below, inside and above the range."""
    stair = StairFunction.ternary() if bits == "ternary" else StairFunction.from_bits(int(bits), signed=signed)
    quantiser = trained(stair, "lsq", "learned")
    step = 0.71
    quantiser.scale.set(step)  # type: ignore[union-attr]
    lowest, highest = stair.levels[0], stair.levels[-1]
    for v in BELOW_INSIDE_ABOVE.tolist():
        x = torch.tensor([v], requires_grad=True)
        quantiser.zero_grad()
        y = quantiser(x)
        y.backward()
        ratio = v / step
        if stair.levels == (-1.0, 1.0):
            rounded = 1.0 if v >= 0 else -1.0
        else:
            rounded = float(math.floor(min(max(ratio, lowest), highest) + 0.5))
        inside = lowest < ratio < highest
        of_step = (rounded - ratio) if inside else lowest if ratio <= lowest else highest
        gradient_scale = 1.0 / math.sqrt(1 * highest)
        assert y.item() == pytest.approx(rounded * step, abs=1e-5)
        assert x.grad is not None
        assert x.grad.item() == pytest.approx(float(inside), abs=1e-5)
        latent = quantiser.scale.latent.grad  # type: ignore[union-attr]
        assert latent is not None
        assert latent.item() == pytest.approx(of_step * gradient_scale, abs=2e-5)


@pytest.mark.parametrize("bits", [2, 3, 8])
@pytest.mark.parametrize("signed", [True, False])
def test_tqt_against_its_equations(bits: int, signed: bool) -> None:
    """Equations 4 to 8 of Jain et al. (2020): value, gradient of the argument and of the threshold's logarithm."""
    stair = StairFunction.from_bits(bits, signed=signed)
    quantiser = trained(stair, "tqt", "power_of_two")
    log2_t = -0.3
    with torch.no_grad():
        quantiser.scale.latent.fill_(log2_t)  # type: ignore[union-attr]
    s = 2.0 ** math.ceil(log2_t)
    n, p = stair.levels[0], stair.levels[-1]
    for v in BELOW_INSIDE_ABOVE.tolist():
        x = torch.tensor([v], requires_grad=True)
        quantiser.zero_grad()
        quantiser(x).backward()
        rounded = math.floor(v / s + 0.5)
        inside = n <= rounded <= p
        of_log2_t = s * math.log(2) * ((rounded - v / s) if inside else n if rounded < n else p)
        assert x.grad is not None
        assert x.grad.item() == float(inside)
        latent = quantiser.scale.latent.grad  # type: ignore[union-attr]
        assert latent is not None
        assert latent.item() == pytest.approx(of_log2_t, abs=1e-5)


def test_a_scale_of_every_channel_has_the_gradient_of_its_channel() -> None:
    """The sum over the channel's weights, each divided by ``sqrt(n Q_P)`` of that channel."""
    stair = StairFunction.from_bits(3)
    quantiser = trained(stair, "lsq", "learned", channels=2)
    weight = torch.randn(2, 4).requires_grad_()
    scales = torch.tensor([0.5, 1.3])
    quantiser.scale.set(scales)  # type: ignore[union-attr]
    y = quantiser(weight)
    y.sum().backward()
    latent = quantiser.scale.latent.grad  # type: ignore[union-attr]
    for channel, scale in enumerate(scales.tolist()):
        ratio = weight[channel].detach() / scale
        rounded = stair(ratio)
        inside = (ratio > -3) & (ratio < 3)
        expected = torch.where(inside, rounded - ratio, rounded).sum() / math.sqrt(4 * 3)
        assert torch.allclose(y[channel], rounded * scale)
        torch.testing.assert_close(latent[channel], expected)  # type: ignore[index]


@pytest.mark.parametrize("significant", [2, 3, 6])
def test_scales_of_activations_have_few_significant_bits(significant: int) -> None:
    """So that products with codes, and their sums, are exact."""
    scale = Scale("learned", significant=significant)
    for number in torch.logspace(-3, 3, 200).tolist():
        scale.set(number)
        mantissa, _ = math.frexp(scale.value.item())
        assert mantissa * 2**significant == int(mantissa * 2**significant)
        assert abs(scale.value.item() / number - 1) <= 2.0**-significant


def test_a_power_of_two_is_the_nearest_one() -> None:
    """By ratio; and small steps of training do not change it."""
    scale = Scale("power_of_two")
    for number, nearest in ((1.0, 1.0), (1.4, 1.0), (1.5, 2.0), (0.26, 0.25), (0.2, 0.25)):
        scale.set(number)
        assert scale.value.item() == nearest
        with torch.no_grad():
            scale.latent += 0.4
        assert scale.value.item() == nearest


def test_a_learned_scale_stays_positive() -> None:
    """However far a step of the optimiser throws it."""
    scale = Scale("learned", 3)
    with torch.no_grad():
        scale.latent.fill_(-5.0)
    assert bool((scale.value > 0).all())


def test_wrong_scales_are_refused() -> None:
    """By name."""
    with pytest.raises(ValueError, match="positive and finite"):
        Scale("fixed").set(0.0)
    with pytest.raises(ValueError, match="must be one of fixed, power_of_two, learned"):
        Scale("half")  # type: ignore[arg-type]
    layers = quantised_layers(quantise(nn.Sequential(nn.Linear(2, 2), nn.Hardtanh(), nn.Linear(2, 2))))
    with pytest.raises(NetworkError, match="got 2 for 1 layers"):
        give_scales(layers, [LayerScales(), LayerScales()])


def test_significant_bits() -> None:
    """As the docstring says."""
    assert [significant_bits(levels) for levels in (2, 3, 4, 16, 17, 255, 256)] == [6, 6, 6, 6, 5, 2, 2]


class Block(nn.Module):
    """A residual block whose sum and whose shortcut meet."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.act0, self.act1, self.act2 = nn.Hardtanh(), nn.Hardtanh(), nn.Hardtanh()
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum and what is beside it, through the head."""
        x = self.act0(self.stem(x))
        inner = self.act1(self.one(x))
        return self.head(torch.cat([self.act2(self.two(inner) + x), x], dim=1))


def test_what_is_added_has_one_scale() -> None:
    """The shortcut and the quantiser of the sum share it; the one between does not."""
    network = quantise(Block(), scale="learned")
    scales = [layer.activations[0].quantiser.scale for layer in quantised_layers(network)]
    assert scales[0] is scales[2]
    assert scales[0] is not scales[1]
    assert len({id(p) for p in network.parameters()}) == len(list(network.parameters()))


def test_input_codes_have_no_scale_that_could_differ() -> None:
    """What is added to the network's input keeps the grid of the input."""

    class OnInput(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.act, self.head = nn.Linear(4, 4), nn.Hardtanh(), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.act(self.one(x) + x))

    layer = quantised_layers(quantise(OnInput(), scale="learned"))[0]
    assert layer.activations[0].quantiser.scale is None
    assert layer.map.weight_quantiser.scale is not None


def test_a_map_scales_its_finished_sums() -> None:
    """What evaluation computes is the map of the scaled weight, up to the rounding of one product."""
    torch.manual_seed(0)
    network = quantise(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Hardtanh(), nn.Conv2d(4, 2, 1)), scale="learned", per_channel=True
    )
    layer = quantised_layers(network)[0].map
    layer.weight_quantiser.scale.set(torch.tensor([0.3, 0.7, 1.1, 2.0]))  # type: ignore[union-attr]
    x = torch.randn(2, 3, 5, 5)
    expected = nn.functional.conv2d(x, layer.quantised_weight(), layer.bias)  # type: ignore[arg-type]
    torch.testing.assert_close(layer.eval()(x), expected)


def test_levels_in_use_and_a_scale_that_died() -> None:
    """A scale that grew far beyond the weights leaves them one level; so does one of an activation."""
    torch.manual_seed(0)
    network = quantise(nn.Sequential(nn.Linear(16, 8), nn.Hardtanh(), nn.Linear(8, 2)), scale="learned")
    (layer,) = quantised_layers(network)
    x = torch.randn(64, 16)
    assert weight_levels(weight_codes(network)) == (3,)
    assert activation_levels(network, x) == (3,)
    layer.map.weight_quantiser.scale.set(100.0)  # type: ignore[union-attr]
    assert weight_levels(weight_codes(network)) == (1,)
    layer.map.weight_quantiser.scale.set(1.0)  # type: ignore[union-attr]
    layer.activations[0].quantiser.scale.set(1000.0)  # type: ignore[union-attr]
    assert activation_levels(network, x) == (1,)
    assert network.training
