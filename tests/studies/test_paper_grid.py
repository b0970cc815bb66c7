"""`paper_cifar10` against the paper's design, stated here a second time and independently."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from ana_search.ana import Annealer, quantise, quantised_layers
from ana_search.estimate import plan_lines
from ana_search.planner import make_plan
from ana_search.shipped import find_study_file
from ana_search.space import grid, requested_trials
from ana_search.study_file import StudySpec, load_study_file
from ana_search.training.optimiser import steps_per_epoch

LAYERS = 7
FAMILIES = ("uniform", "triangular", "normal", "logistic")
STARTS = {"overlapped": "0000000", "same_start": "0000000", "same_end": "6543210", "partition": "0123456"}
ENDS = {"overlapped": "7777777", "same_start": "1234567", "same_end": "7777777", "partition": "1234567"}
POWERS = {"homogeneous": "1111111", "progressive": "7654321"}


def expected_cells() -> Iterator[dict[str, str]]:
    """The rule, as sentences: 8 dynamic policies on the full crossing, 2 static ones on a single cell."""
    dynamic = [("expectation", "static", "dynamic"), ("expectation", "dynamic", "dynamic")]
    for strategy in ("mode", "random"):
        dynamic += [
            (strategy, "static", "dynamic"),
            (strategy, "dynamic", "dynamic"),
            (strategy, "dynamic", "static"),
        ]
    for noise in FAMILIES:
        for (strategy, mean, variance), interval, law in product(dynamic, STARTS, POWERS):
            yield {
                "noise": noise,
                "strategy": strategy,
                "mean": mean,
                "variance": variance,
                "interval": interval,
                "power_law": law,
            }
        for strategy in ("mode", "random"):
            yield {
                "noise": noise,
                "strategy": strategy,
                "mean": "static",
                "variance": "static",
                "interval": "overlapped",
                "power_law": "homogeneous",
            }


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    return load_study_file(find_study_file("paper_cifar10"))


def _key(cell: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(cell.items()))


def test_the_cells_are_the_papers(spec: StudySpec) -> None:
    cells = grid(spec)
    assert len(cells) == 264
    assert {_key(cell) for cell in cells} == {_key(cell) for cell in expected_cells()}
    assert requested_trials(spec) == 264 * 5
    dynamic = [cell for cell in cells if "dynamic" in (cell["mean"], cell["variance"])]
    assert len(dynamic) == 256
    assert set(Counter(cell["noise"] for cell in dynamic).values()) == {64}


def test_every_layer_of_every_cell(spec: StudySpec) -> None:
    checked = 0
    for cell in expected_cells():
        plan = make_plan(spec, cell, 0)
        assert len(plan.layers) == LAYERS
        for number, layer in enumerate(plan.layers):
            power = int(POWERS[cell["power_law"]][number])
            for schedule in (layer.weights, layer.activations):
                assert schedule.noise == cell["noise"]
                assert schedule.strategy == cell["strategy"]
                assert math.isclose(schedule.start, int(STARTS[cell["interval"]][number]) / LAYERS)
                assert math.isclose(schedule.end, int(ENDS[cell["interval"]][number]) / LAYERS)
                dynamic_mean, dynamic_spread = cell["mean"] == "dynamic", cell["variance"] == "dynamic"
                assert schedule.mean == (-0.5 if dynamic_mean else 0.0)
                assert schedule.mean_alpha == (power if dynamic_mean else 0.0)
                assert schedule.spread == 0.5
                assert schedule.spread_alpha == (2 * power if dynamic_spread else 0.0)
                assert (schedule.decay, schedule.backward, schedule.spread_measure) == ("power", "same", "interval")
            assert (layer.weight_bits, layer.activation_bits) == ("ternary", "ternary")
            checked += 1
    assert checked == 264 * 7


def test_training_is_the_papers(spec: StudySpec) -> None:
    plan = make_plan(spec, next(expected_cells()), 0)
    training = plan.training
    assert (training.epochs, training.optimiser, training.learning_rate, training.batch_size) == (
        500,
        "adam",
        1e-3,
        256,
    )
    assert math.isclose(training.anneal * training.epochs, LAYERS * 50)
    assert math.isclose(training.epochs * (1 - training.lr_drop), 400)
    assert (plan.network.name, plan.network.width, plan.data.name) == ("vgg8", 128, "cifar10")
    assert (plan.data.folds, plan.data.fold) == (5, 0)


def test_inputs_are_the_papers(spec: StudySpec) -> None:
    plan = make_plan(spec, next(expected_cells()), 0)
    data = plan.data
    assert (data.augment, data.padding, data.input_bits, data.normalise) == ("crop+flip", "zeros", "float", "pooled")
    assert not data.stratified
    assert plan.network.classifier == "normal"
    assert steps_per_epoch(plan.training, 40_000) == 157


def test_the_listing_agrees(spec: StudySpec, tmp_path: Path) -> None:
    lines = [json.loads(json.dumps(line)) for line in plan_lines(spec)]
    assert {_key(line["params"]) for line in lines} == {_key(cell) for cell in expected_cells()}
    for line in lines:
        assert line["epochs"] == 500
        assert len(line["layers"]) == LAYERS
        for number, layer in enumerate(line["layers"]):
            assert set(layer) >= {
                "noise",
                "strategy",
                "mean",
                "spread",
                "start",
                "end",
                "mean_alpha",
                "spread_alpha",
            }
            assert math.isclose(layer["end"], int(ENDS[line["params"]["interval"]][number]) / LAYERS)


def rule(cell: dict[str, str], layer: int, epoch: int) -> tuple[float, float]:
    """Mean and spread of a layer's noise in an epoch: ``((end - e) / (end - start))**alpha``, with ``0**0 = 1``.

    Every layer's share of the anneal is 50 epochs. What is static has alpha 0, what is dynamic the power of its
    layer, twice that for the spread. (The remaining fraction of the interval is 1 before its start, 0 after its end.)
    """
    start, end = (50 * int(table[cell["interval"]][layer]) for table in (STARTS, ENDS))
    left = min(max((end - epoch) / (end - start), 0.0), 1.0)
    power = int(POWERS[cell["power_law"]][layer])
    mean = -0.5 * left**power if cell["mean"] == "dynamic" else 0.0
    spread = 0.5 * left ** (2 * power if cell["variance"] == "dynamic" else 0)
    return mean, spread


def test_the_noise_of_every_layer_in_every_epoch(spec: StudySpec) -> None:
    network, checked, static = seven_layers(), 0, 0
    for cell in expected_cells():
        plan = make_plan(spec, cell, 0)
        annealer = Annealer(network, [p.weights for p in plan.layers], [p.activations for p in plan.layers])
        anneal = plan.training.anneal * plan.training.epochs
        for epoch in range(plan.training.epochs):
            for layer, states in enumerate(annealer.state(epoch / anneal)):
                wanted = rule(cell, layer, epoch)
                for state in states:  # of the weights, of the activations
                    forward = (state.forward_mean, state.forward_spread)
                    backward = (state.backward_mean, state.backward_spread)
                    assert forward == backward
                    # So little noise as 1e-6 of a step is none.
                    assert abs(forward[0] - wanted[0]) + abs(forward[1] - wanted[1]) < 1.1e-6, (cell, layer, epoch)
                    checked += 1
        annealer.set(plan.training.epochs / anneal)  # what the quantisers have when training ends
        for layer, quantised in enumerate(quantised_layers(network)):
            mean, spread = rule(cell, layer, plan.training.epochs)
            for quantiser in (quantised.map.weight_quantiser, quantised.activations[0].quantiser):
                assert quantiser.forward_mean.item() == quantiser.backward_mean.item() == mean
                assert quantiser.forward_spread.item() == quantiser.backward_spread.item() == spread
        static += cell["variance"] == "static"
    assert checked == 264 * 7 * 500 * 2
    assert static == 72


def seven_layers() -> nn.Module:
    blocks = [module for _ in range(LAYERS) for module in (nn.Linear(2, 2), nn.Hardtanh())]
    return quantise(nn.Sequential(*blocks, nn.Linear(2, 2)))
