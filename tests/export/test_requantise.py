"""Thresholds as one multiplication, and everything else as comparisons: exact on every accumulator, in onnxruntime."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ana_search.export.formats.onnx import to_onnx
from ana_search.export.formats.requantise import evaluate, fit
from ana_search.export.integer import FrozenNetwork, Step
from ana_search.export.integer.operations import (
    Classifier,
    Flatten,
    InputTable,
    IntegerMap,
    Thresholds,
    accumulator_range,
)
from tests.export import computing

CHANNELS = 16
SPREADS = [1, 2, 4, 8, 16, 32, 63]
TERNARY = np.array([-1, 0, 1])


def codes_of(thresholds: NDArray[np.int64], levels: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the codes [C, K] of accumulators [C, K], by the definition."""
    reached = (values[:, :, None] >= thresholds[:, None, :]).sum(axis=2)
    return np.asarray(levels[reached])


@given(
    st.lists(st.tuples(st.integers(-3000, 3000), st.integers(0, 3000)), min_size=1, max_size=20), st.integers(1, 2900)
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_spread_of_two_suffices_for_three_levels(pairs: list[tuple[int, int]], reach: int) -> None:
    thresholds = np.sort(np.array([(first, first + gap) for first, gap in pairs]), axis=1)
    low, high = np.full(len(pairs), -reach), np.full(len(pairs), reach)
    thresholds = thresholds.clip(-reach, reach + 1)
    found = fit(thresholds, TERNARY, low, high, [1, 2])
    assert found is not None
    every = np.tile(np.arange(-reach, reach + 1), (len(pairs), 1))
    assert np.array_equal(evaluate(found, every, TERNARY), codes_of(thresholds, TERNARY, every))


@given(st.integers(2, 255), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_what_is_fitted_is_exact(count: int, seed: int) -> None:
    """Almost evenly spaced thresholds, as batch norms make them: exact everywhere, or no fit."""
    draw = np.random.default_rng(seed)
    slope, offset = draw.uniform(0.3, 40, (CHANNELS, 1)), draw.uniform(-200, 200, (CHANNELS, 1))
    thresholds = np.ceil(slope * (np.arange(count) - count / 2) + offset).astype(np.int64)
    low, high = np.full(CHANNELS, -4000), np.full(CHANNELS, 4000)
    thresholds = thresholds.clip(-4000, 4001)
    levels = np.arange(count + 1) - (count + 1) // 2
    found = fit(thresholds, levels, low, high, SPREADS)
    if found is not None:
        every = np.tile(np.arange(-4000, 4001), (CHANNELS, 1))
        assert np.array_equal(evaluate(found, every, levels), codes_of(thresholds, levels, every))


def test_no_line_fits_uneven_thresholds() -> None:
    thresholds = np.array([[-50, -49, 40]])
    assert fit(thresholds, np.arange(4), np.array([-127]), np.array([127]), SPREADS) is None


LEVELS = {
    "ternary": [-1, 0, 1],
    "binary": [-1, 1],
    "unsigned": list(range(16)),
    "more than comparisons are summed for": list(range(-31, 32)),
    "eight bits": list(range(-127, 128)),
    "uneven": [-4, 0, 1, 7],
}


@pytest.mark.parametrize("uneven", [False, True], ids=["even", "uneven"])
@pytest.mark.parametrize("linear", [False, True], ids=["convolution", "linear"])
@pytest.mark.parametrize("name", LEVELS)
def test_every_accumulator_in_onnxruntime(name: str, linear: bool, uneven: bool) -> None:
    """One weight a channel, and an image of one pixel for every value: all accumulators of every channel occur."""
    torch.manual_seed(1)
    draw = np.random.default_rng(len(name) + 10 * uneven)
    levels = torch.tensor(LEVELS[name])
    weight = torch.tensor(draw.choice([-3, -2, -1, 1, 2, 3], CHANNELS)).reshape(CHANNELS, 1)
    table = torch.arange(-128, 128).clamp(min=-127).reshape(1, 256)
    low, high = accumulator_range(weight, -127, 127)
    count = len(levels) - 1
    if uneven:
        thresholds = np.sort(draw.integers(-400, 400, (CHANNELS, count)), axis=1)
    else:
        thresholds = np.ceil(draw.uniform(0.5, 5, (CHANNELS, 1)) * (np.arange(count) - count / 2) + 0.5)
    cut = torch.tensor(thresholds, dtype=torch.int64).clamp(min=low[:, None], max=high[:, None] + 1)
    geometry = {} if linear else {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
    stored = weight if linear else weight.reshape(CHANNELS, 1, 1, 1)
    steps = [
        Step(InputTable(table), (0,), low=-127, high=127),
        Step(IntegerMap(stored, int(high.max()), **geometry), (1,), low=int(low.min()), high=int(high.max())),
        Step(Thresholds(cut, levels), (2,), "layer", int(levels[0]), int(levels[-1])),
    ]
    if not linear:
        steps.append(Step(Flatten(), (3,)))
    steps.append(Step(Classifier(torch.randn(3, CHANNELS), None, 1.0), (len(steps),)))
    shape = (1,) if linear else (1, 1, 1)
    pixels = torch.arange(256, dtype=torch.uint8).reshape(256, *shape)
    wanted = codes_of(cut.numpy(), levels.numpy(), weight.numpy() * table.numpy())
    model = to_onnx(FrozenNetwork(steps, shape))
    for optimise in (False, True):
        found = computing.in_onnxruntime(model, pixels, 256, optimise=optimise)
        assert np.array_equal(found.codes["layer"].reshape(256, CHANNELS).T, wanted)
