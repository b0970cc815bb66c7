"""The quantised maps and the quantised activation against torch's own modules with the weights put in."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ana_search.ana import (
    Noise,
    QuantActivation,
    QuantConv1d,
    QuantConv2d,
    QuantConv3d,
    Quantiser,
    QuantLinear,
    QuantMap,
    StairFunction,
    regularise,
)
from tests.ana.tensors import tensors_of

Made = tuple[nn.Module, Callable[..., QuantMap], tuple[int, ...]]

MAPS: dict[str, Made] = {
    "linear": (nn.Linear(6, 4), QuantLinear.from_float, (5, 6)),
    "linear, more dimensions": (nn.Linear(6, 4, bias=False), QuantLinear.from_float, (2, 3, 6)),
    "conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), QuantConv1d.from_float, (2, 4, 11)),
    "conv2d": (
        nn.Conv2d(4, 8, (3, 1), stride=(1, 2), padding=(2, 0), bias=False),
        QuantConv2d.from_float,
        (2, 4, 7, 6),
    ),
    "conv2d, dilated": (nn.Conv2d(2, 3, 3, dilation=2, padding="same"), QuantConv2d.from_float, (2, 2, 8, 8)),
    "conv2d, depthwise": (nn.Conv2d(4, 4, 3, groups=4), QuantConv2d.from_float, (2, 4, 6, 6)),
    "conv2d, reflected": (
        nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
        QuantConv2d.from_float,
        (2, 2, 5, 5),
    ),
    "conv3d": (nn.Conv3d(2, 4, 2, stride=2, padding=1, groups=2), QuantConv3d.from_float, (1, 2, 5, 6, 7)),
}
STAIRS = {"ternary": StairFunction.ternary(), "3 bits": StairFunction.for_network(3)}
maps = pytest.mark.parametrize("name", MAPS)


def with_weight(module: nn.Module, weight: Tensor) -> nn.Module:
    """Return a copy of an ordinary map with another weight."""
    other = copy.deepcopy(module)
    with torch.no_grad():
        other.get_parameter("weight").copy_(weight)
    return other


@maps
@pytest.mark.parametrize("stair", STAIRS.values(), ids=STAIRS)
def test_evaluation_computes_with_the_stair_of_the_weight(name: str, stair: StairFunction) -> None:
    module, convert, shape = MAPS[name]
    quantised = convert(module, stair).eval()
    assert torch.equal(quantised.weight, module.get_parameter("weight"))
    x = torch.randn(shape)
    assert torch.allclose(quantised(x), with_weight(module, stair(quantised.weight))(x), atol=1e-5)
    assert torch.equal(quantised.quantised_weight(), stair(quantised.weight))
    assert type(quantised).__name__ == "Quant" + type(module).__name__


@maps
def test_training_computes_with_the_noisy_stair(name: str) -> None:
    module, convert, shape = MAPS[name]
    stair = STAIRS["3 bits"]
    quantised = convert(module, stair).train()
    quantiser = quantised.weight_quantiser
    quantiser.family, quantiser.backward_family = "triangular", None
    quantiser.forward_spread.fill_(0.8)
    quantiser.forward_mean.fill_(0.1)
    x = torch.randn(shape)
    y = quantised(x)
    y.square().sum().backward()

    leaf = quantised.weight.detach().clone().requires_grad_()
    noise = Noise("triangular", 0.1 * stair.quantum, 0.8 * stair.quantum)
    reference = copy.deepcopy(module)
    out = torch.func.functional_call(reference, {"weight": regularise(leaf, stair, noise)}, (x,))
    out.square().sum().backward()
    assert torch.allclose(y, out, atol=1e-6)
    assert leaf.grad is not None
    assert quantised.weight.grad is not None
    assert torch.allclose(quantised.weight.grad, leaf.grad, atol=1e-5)
    for bias in (name for name, _ in module.named_parameters() if name == "bias"):
        gradients = quantised.get_parameter(bias).grad, reference.get_parameter(bias).grad
        assert gradients[0] is not None
        assert gradients[1] is not None
        assert torch.allclose(*gradients, atol=1e-5)


@maps
def test_a_quantised_copy_shares_nothing(name: str) -> None:
    module, convert, _ = MAPS[name]
    one, other = convert(module, STAIRS["ternary"]), convert(module, STAIRS["ternary"])
    pointers = [value.data_ptr() for part in (module, one, other) for value in part.state_dict().values()]
    assert len(set(pointers)) == len(pointers)
    tensors = [value.data_ptr() for part in (one, other) for value in tensors_of(part).values()]
    assert len(set(tensors)) == len(tensors)
    assert one.state_dict().keys() == module.state_dict().keys()


@maps
def test_weights_are_drawn_near_the_thresholds(name: str) -> None:
    module, convert, _ = MAPS[name]
    quantised = convert(module, STAIRS["3 bits"])
    quantised.reset_weight(0.25, torch.Generator().manual_seed(1))
    q = quantised.weight_stair.quantum
    thresholds = torch.tensor(quantised.weight_stair.thresholds)
    around = (quantised.weight.detach().flatten()[:, None] / q - 0.25 - thresholds).abs().amin(1)
    assert around.max() <= quantised.weight[0].numel() ** -0.5 + 1e-6
    assert around.max() > 0.0


def test_the_activation_is_the_stair_or_its_regularisation() -> None:
    activation = QuantActivation(STAIRS["3 bits"])
    x = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    assert torch.equal(activation.eval()(x), activation.stair(x))
    activation.train()
    activation.quantiser.family = "normal"
    activation.quantiser.forward_spread.fill_(0.5)
    y = activation(x)
    assert torch.equal(y, regularise(x, activation.stair, Noise("normal", 0.0, 0.5 * activation.stair.quantum)))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_a_fresh_layer_is_a_clipped_straight_through_estimator() -> None:
    activation = QuantActivation(StairFunction.ternary())
    x = torch.linspace(-2.0, 2.0, 401)
    x = x[(x.abs() - 1.0).abs() > 1e-3].requires_grad_()
    y = activation(x)
    y.sum().backward()
    assert torch.equal(y, activation.stair(x))
    assert x.grad is not None
    assert torch.equal(x.grad, (x.abs() <= 1.0).float())


def test_numbers_of_the_noise_stay_in_single_precision_on_the_cpu_and_outside_the_state() -> None:
    layer = QuantConv2d.from_float(nn.Conv2d(3, 4, 3), StairFunction.ternary())
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    layer.weight_quantiser.forward_spread.fill_(0.3)
    for moved in (layer.bfloat16(), layer.double(), layer.half(), layer.float(), layer.to("meta")):
        quantiser = moved.weight_quantiser
        assert quantiser.forward_spread.dtype == torch.float32
        assert quantiser.forward_spread.device.type == "cpu"
        assert quantiser.forward_spread.item() == pytest.approx(0.3, abs=1e-7)
    with torch.device("meta"):
        assert Quantiser(StairFunction.ternary()).backward_spread.item() == 0.5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_layers_keep_the_precision_of_the_network(dtype: torch.dtype) -> None:
    layer = QuantConv2d.from_float(nn.Conv2d(3, 4, 3, dtype=dtype), StairFunction.ternary())
    layer.weight_quantiser.forward_spread.fill_(0.5)
    x = torch.randn(2, 3, 6, 6, dtype=dtype)
    y = layer(x)
    y.sum().backward()
    assert y.dtype == layer.weight.dtype == dtype
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == dtype


def test_channels_last_makes_no_difference() -> None:
    layer = QuantConv2d.from_float(nn.Conv2d(8, 8, 3, padding=1), StairFunction.ternary())
    layer.weight_quantiser.forward_spread.fill_(0.5)
    x = torch.randn(2, 8, 6, 6)
    plain = layer(x)
    turned = layer.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    assert turned.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(plain, turned, atol=1e-5)
    assert layer.weight_quantiser(layer.weight).stride() == layer.weight.stride()


def test_a_layer_says_what_it_is() -> None:
    layer = QuantConv2d.from_float(nn.Conv2d(3, 4, 3), StairFunction.for_network(4))
    assert "levels=15, quantum=0.25" in repr(layer)
