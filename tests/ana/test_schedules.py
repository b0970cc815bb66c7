"""What every registered schedule shape must satisfy."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ana_search.ana import SCHEDULES
from tests.ana.cases import CHECKS

shapes = pytest.mark.parametrize("name", SCHEDULES)
times = st.floats(0.0, 1.0)


@shapes
@CHECKS
@given(times, times, times, st.floats(0.0, 14.0))
def test_it_falls_from_one_and_stays_within(name: str, a: float, b: float, t: float, alpha: float) -> None:
    shape, (start, end) = SCHEDULES[name], sorted((a, b))
    assert 0.0 <= shape(t, start, end, alpha) <= 1.0
    assert shape(start - 0.1, start, end, alpha) == 1.0
    values = [shape(k / 50, start, end, alpha) for k in range(51)]
    assert values[-1] == (1.0 if alpha == 0.0 else 0.0)
    assert all(later <= earlier + 1e-15 for earlier, later in itertools.pairwise(values))


@shapes
def test_it_is_one_at_the_start_and_zero_from_the_end_on(name: str) -> None:
    shape = SCHEDULES[name]
    assert shape(0.2, 0.2, 0.7) == pytest.approx(1.0)
    for alpha in (0.1, 1.0, 2.0, 14.0):
        assert shape(0.7, 0.2, 0.7, alpha) == shape(0.9, 0.2, 0.7, alpha) == 0.0
    assert shape(0.3, 0.3, 0.3) == 0.0
    assert shape(0.29, 0.3, 0.3) == 1.0
    with pytest.raises(ValueError, match="start <= end"):
        shape(0.5, 0.7, 0.2)
    with pytest.raises(ValueError, match=r"`alpha >= 0` must hold, but got alpha=-1\.0"):
        shape(0.5, 0.2, 0.7, -1.0)


@shapes
def test_a_power_of_zero_is_static_for_ever(name: str) -> None:
    shape = SCHEDULES[name]
    assert [shape(t, 0.0, 0.8, alpha=0.0) for t in (-1.0, 0.0, 0.5, 0.79, 0.8, 1.0, 7.0)] == [1.0] * 7
    assert shape(0.3, 0.3, 0.3, alpha=0.0) == 1.0


@shapes
def test_it_scales_with_its_interval(name: str) -> None:
    shape = SCHEDULES[name]
    for u in (0.1, 0.4, 0.77):
        assert shape(0.2 + 0.5 * u, 0.2, 0.7, 2.0) == pytest.approx(shape(u, 0.0, 1.0, 2.0))


@pytest.mark.parametrize(
    ("name", "t", "alpha", "value"),
    [
        ("power", 0.25, 1.0, 0.75),
        ("power", 0.25, 3.0, 0.75**3),
        ("linear", 0.25, 3.0, 0.75),
        ("cosine", 0.25, 1.0, 0.5 * (1.0 + math.cos(math.pi / 4.0))),
        ("exponential", 0.25, 1.0, (math.exp(-1.25) - math.exp(-5.0)) / (1.0 - math.exp(-5.0))),
        ("step", 0.25, 1.0, 0.75),
        ("step", 0.24, 1.0, 1.0),
    ],
)
def test_known_values(name: str, t: float, alpha: float, value: float) -> None:
    assert SCHEDULES[name](t, 0.0, 1.0, alpha) == pytest.approx(value)
