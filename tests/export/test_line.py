"""Many thresholds as one multiplication: right for every accumulator, in floating point and in integers, or none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ana_search.export.formats.line import find_line, integer_line

CHANNELS, REACH = 8, 3000


def drawn(count: int, seed: int, rounding: float) -> NDArray[np.int64]:
    """Return the thresholds of random lines whose values are rounded, as a trained network rounds them."""
    draw = np.random.default_rng(seed)
    slope, offset = draw.uniform(2.5, 40, (CHANNELS, 1)), draw.uniform(-200, 200, (CHANNELS, 1))
    exact = slope * (np.arange(count) - count / 2) + offset
    thresholds = np.ceil(exact + draw.uniform(-rounding, rounding, exact.shape)).astype(np.int64)
    return thresholds.clip(-REACH, REACH + 1)


@given(st.integers(16, 255), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.005, 0.02]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_accumulator(count: int, seed: int, rounding: float) -> None:
    thresholds = drawn(count, seed, rounding)
    low, high = np.full(CHANNELS, -REACH), np.full(CHANNELS, REACH)
    every = np.tile(np.arange(-REACH, REACH + 1), (CHANNELS, 1))
    wanted = np.stack([np.searchsorted(t, p, side="right") for t, p in zip(thresholds, every, strict=True)])
    found = find_line(thresholds, np.arange(count + 1) - 7, low, high)
    if found is None:
        return

    def corrected(total: NDArray[np.int64]) -> NDArray[np.int64]:
        raised, lowered = (
            (every[:, :, None] == each[:, None, :]).sum(axis=2) for each in (found.raised, found.lowered)
        )
        return np.asarray(total.clip(0, count) + raised - lowered)

    real = np.floor(every * found.factor[:, None] + found.offset[:, None]).astype(np.int64)
    assert np.array_equal(corrected(real), wanted)
    whole = integer_line(found, thresholds, low, high)
    assert whole is not None
    assert whole.factor.max() < 2**31
    shifted = (whole.factor[:, None] * every + whole.offset[:, None]) >> whole.shift
    assert np.array_equal(corrected(shifted), wanted)


@pytest.mark.parametrize(("rounding", "least"), [(0.0, 18), (0.02, 18)])
def test_lines_are_found(rounding: float, least: int) -> None:
    """Without rounding none needs a correction; with some, lines are found that do."""
    low, high = np.array([-REACH]), np.array([REACH])
    found = [find_line(drawn(200, seed, rounding)[:1], np.arange(201), low, high) for seed in range(20)]
    assert sum(each is not None for each in found) >= least
    corrected = sum(each.raised.shape[1] + each.lowered.shape[1] for each in found if each is not None)
    assert (corrected > 0) == (rounding > 0)


def test_what_is_no_line_is_not_called_one() -> None:
    low, high = np.array([-100]), np.array([100])
    assert find_line(np.array([[-50, -49, 40]]), np.arange(4), low, high) is None
    assert find_line(np.array([[-50, 0, 50]]), np.array([0, 1, 2, 5]), low, high) is None
