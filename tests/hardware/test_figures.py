"""Weight bytes and bit operations, against the frozen network, the exported file, and sums written out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto

from ana_search.data import dataset_info
from ana_search.export import freeze
from ana_search.export.formats.onnx.writer import to_onnx
from ana_search.export.integer import FrozenNetwork
from ana_search.hardware import INPUT, extremes, figures, linear_maps
from ana_search.plan import DataPlan, NetworkPlan, TrainingPlan
from ana_search.training import build
from tests.conftest import MakeStudy
from tests.export.training import make_plan

ARRAY_BITS = {TensorProto.INT2: 2, TensorProto.INT4: 4, TensorProto.INT8: 8}
CLASSES = 10  # a number that no layer has channels of
NETWORKS = ["digits_cnn", "resnet8", "ds_cnn", "mobilenet_v1", "vgg9", "mlp", "autoencoder"]


def frozen_of(plan: TrainingPlan) -> FrozenNetwork:
    """Return the plan's untrained network in integer arithmetic."""
    shape, classes = dataset_info(plan.data)
    network, _ = build(plan, shape, classes)
    table = (torch.arange(256) - 128).to(torch.int8).repeat(shape[0], 1)
    return freeze(network.eval(), table, 1 / 128, tuple(shape))


def stored_bytes(model: Any) -> int:
    """Return the bytes of a file's kernels and matrices, each at its type's width, and of its classifier."""
    total = 0
    for tensor in model.graph.initializer:
        if tensor.data_type in ARRAY_BITS and len(tensor.dims) > 1:
            total += -(-int(np.prod(tensor.dims)) * ARRAY_BITS[tensor.data_type] // 8)
        if tensor.data_type == TensorProto.FLOAT and list(tensor.dims[:1]) == [CLASSES]:
            total += 4 * int(np.prod(tensor.dims))
    return total


@pytest.mark.parametrize("name", NETWORKS)
def test_the_multiplications_are_those_of_the_frozen_network(name: str) -> None:
    plan = make_plan("ternary", network=name)
    maps = linear_maps(plan)
    frozen = frozen_of(plan)
    assert sum(one.multiply_adds for one in maps) == frozen.multiplications
    assert [one.layer for one in maps if one.layer is not None] == list(range(len(plan.layers)))
    assert all(one.reads for one in maps)
    assert maps[0].reads == (INPUT,)
    assert figures(plan)["weight_bits"] == 2


@pytest.mark.parametrize("bits", ["ternary", 1, 2, 3, 4, 5, 8])
def test_the_bytes_are_those_of_the_weights_in_the_file(bits: int | str) -> None:
    """Random weights near every threshold use every level, so that the file is as wide as the levels."""
    plan = make_plan(bits, width=8)
    assert figures(plan)["bytes"] == stored_bytes(to_onnx(frozen_of(plan)))


def test_the_figures_of_a_network_written_out() -> None:
    plan = make_plan("ternary", width=4)
    layers = tuple(
        replace(layer, weight_bits=weights, activation_bits=activations)
        for layer, weights, activations in zip(
            plan.layers, [8, "ternary", 3, 1, 4], ["ternary", 4, 1, 8, 3], strict=True
        )
    )
    found = figures(replace(plan, layers=layers))
    counts = [9 * 1 * 4, 9 * 4 * 4, 9 * 4 * 8, 9 * 8 * 8, 8 * 4 * 32]  # kernels 3 x 3, then 8 channels of 2 x 2 to 32
    sites = [64, 64, 16, 16, 1]  # 8 x 8 pixels, halved twice
    classifier = 32 * 10
    assert [one.weights for one in linear_maps(plan)[:-1]] == counts
    packed = [8, 2, 4, 2, 4]
    assert found["bytes"] == sum(c * b // 8 for c, b in zip(counts, packed, strict=True)) + 4 * (classifier + 10)
    weights, inputs = [8, 2, 3, 1, 4], [8, 2, 4, 1, 8]
    expected = sum(c * s * w * a for c, s, w, a in zip(counts, sites, weights, inputs, strict=True))
    assert found["operations"] == expected + classifier * 32 * 3
    assert found["weight_bits"] == pytest.approx(sum(c * w for c, w in zip(counts, weights, strict=True)) / sum(counts))


def test_a_sum_reads_the_codes_of_its_quantiser_and_a_branch_those_of_all() -> None:
    maps = linear_maps(make_plan("ternary", network="resnet8"))
    assert all(0 <= source < one.layer for one in maps if one.layer for source in one.reads)


def test_floating_point_costs_32_bits() -> None:
    plan = replace(make_plan("ternary"), data=DataPlan("digits", input_bits="float"))
    coded = replace(plan, data=DataPlan("digits"))
    first = linear_maps(plan)[0].multiply_adds
    assert figures(plan)["operations"] - figures(coded)["operations"] == first * 2 * (32 - 8)
    floating = replace(plan, layers=())
    everything = sum(one.multiply_adds for one in linear_maps(floating))
    assert figures(floating)["operations"] == everything * 32 * 32
    assert "weight_bits" not in figures(floating)


def test_the_ends_are_those_of_all_networks(make_study: MakeStudy) -> None:
    spec = make_study('weight_bits = { choices = [8, 1, "ternary", 3], scope = "layer" }\nactivation_bits = [4, 2]')
    plan = make_plan("ternary", width=spec.network.width or 16, data=DataPlan("digits"))
    plan = replace(plan, network=NetworkPlan(spec.network.name, spec.network.width))
    ends = {one.objective: (one.smallest, one.largest) for one in extremes(spec)}
    for name in ("bytes", "operations", "weight_bits"):
        low, high = (
            figures(
                replace(plan, layers=tuple(replace(each, weight_bits=w, activation_bits=a) for each in plan.layers))
            )
            for w, a in ((1, 2), (8, 4))
        )
        assert ends[name] == (low[name], high[name])


def test_a_grid_is_looked_at_cell_by_cell(make_study: MakeStudy) -> None:
    rule = "[[space.exclude]]\nwhen = { weight_bits = 8, activation_bits = 8 }"
    keys = f"weight_bits = [2, 8]\nactivation_bits = [2, 8]\n{rule}"
    ends = {one.objective: one for one in extremes(make_study(keys, 'sampler = "grid"'))}
    whole = {one.objective: one for one in extremes(make_study(keys.replace(rule, ""), 'sampler = "random"'))}
    assert ends["bytes"] == whole["bytes"]
    assert ends["operations"].largest < whole["operations"].largest
