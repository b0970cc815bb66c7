"""Whatever trained a network, with whatever scales: frozen = trained = ONNX, to the last code."""

import dataclasses

import pytest
import torch

from ana_search.ana.methods import METHODS
from ana_search.errors import ExportRequestError
from ana_search.export import freeze_trained
from ana_search.networks import count_layers
from ana_search.plan import Bits, LayerPlan, NetworkPlan, TrainingPlan
from tests.export import computing
from tests.export.training import BITS, DIGITS, make_plan, trained

SHAPE = (1, 8, 8)


def plan_of(method: str, bits: Bits, *, per: str, signed: bool, network: NetworkPlan | None = None) -> TrainingPlan:
    """Return a plan for digits whose layers are trained by a method, all scales learned where it learns none itself."""
    plan = make_plan("ternary", epochs=2)
    network = dataclasses.replace(network or plan.network, signed=signed)
    schedule = dataclasses.replace(plan.layers[0].weights, method=method)
    kind = METHODS[method].scale if METHODS[method].scale != "fixed" else "learned"
    layer = LayerPlan(bits, bits, schedule, schedule, kind, kind, per)  # type: ignore[arg-type]
    count = count_layers(network, SHAPE, 10)
    return dataclasses.replace(plan, network=network, layers=(layer,) * count)


CASES = [
    pytest.param(
        method, bits, "channel" if (i + j) % 2 else "tensor", (i + j // 2) % 2 == 0,
        marks=[] if (i + j) % len(BITS) == 2 else pytest.mark.slow,
    )
    for i, method in enumerate(METHODS)
    for j, bits in enumerate(BITS)
]  # fmt: skip


@pytest.mark.parametrize(("method", "bits", "per", "signed"), CASES)
def test_codes_are_equal_everywhere(method: str, bits: Bits, per: str, signed: bool) -> None:
    check(plan_of(method, bits, per=per, signed=signed))


def check(plan: TrainingPlan) -> None:
    """Train, freeze, write, and compare all codes and predictions of the validation images."""
    network, dataset, _ = trained(plan)
    pixels = dataset.images[dataset.validation]
    wanted = computing.trained(network, dataset.encode, pixels, 64)
    assert wanted.codes
    for name, found in computing.in_files(freeze_trained(network, dataset), pixels, [64]).items():
        computing.assert_same(found, wanted, name)


@pytest.mark.parametrize("name", ["resnet8", "resnet18", pytest.param("mobilenet_v1", marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", ["lsq", pytest.param("tqt", marks=pytest.mark.slow)])
def test_scales_of_sums(name: str, method: str) -> None:
    """Shortcuts with learned scales: what is added has one of them."""
    check(plan_of(method, 3, per="channel", signed=False, network=NetworkPlan(name, 4)))


@pytest.mark.parametrize(("first", "last"), [(8, 8), ("float", "float"), (8, "ternary")])
def test_ends_of_their_own(first: Bits | str, last: Bits | str) -> None:
    """8 bits, or floating point, in the first and last map: the first in floating point has no integer form."""
    plan = plan_of("lsq", 2, per="channel", signed=False)
    network = dataclasses.replace(plan.network, keep_first=first == "float", keep_last=last == "float")
    layers = list(plan.layers[:1]) * count_layers(network, SHAPE, 10)
    if first != "float":
        layers[0] = dataclasses.replace(layers[0], weight_bits=first)  # type: ignore[arg-type]
    if last != "float":
        layers[-1] = dataclasses.replace(layers[-1], weight_bits=last)  # type: ignore[arg-type]
    plan = dataclasses.replace(plan, network=network, layers=tuple(layers))
    if first == "float":
        network_, dataset, accuracy = trained(plan)
        assert accuracy > 0.2
        with pytest.raises(ExportRequestError, match="no integer form in floating point"):
            freeze_trained(network_, dataset)
        return
    check(plan)


def test_two_bits_are_four_levels() -> None:
    """In the weights and, signed, in the activations."""
    network, dataset, _ = trained(plan_of("lsq", 2, per="tensor", signed=True))
    frozen = freeze_trained(network, dataset)
    (first, *_) = [step.operation.weight for step in frozen.steps if hasattr(step.operation, "weight")]
    assert set(torch.unique(first).tolist()) <= {-2, -1, 0, 1}
    assert DIGITS.input_bits == 8
