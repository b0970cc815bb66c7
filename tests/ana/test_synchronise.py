import pytest
from hypothesis import given
from hypothesis import strategies as st

from ana_search.ana import INTERVALS, POWER_LAWS, decay_intervals, decay_powers
from ana_search.ana.synchronise import SHORTEST, shift
from tests.ana.cases import CHECKS


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("overlapped", [(0, 1), (0, 1), (0, 1), (0, 1)]),
        ("same_start", [(0, 0.25), (0, 0.5), (0, 0.75), (0, 1)]),
        ("same_end", [(0.75, 1), (0.5, 1), (0.25, 1), (0, 1)]),
        ("partition", [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]),
        ("reverse_same_start", [(0, 1), (0, 0.75), (0, 0.5), (0, 0.25)]),
        ("reverse_partition", [(0.75, 1), (0.5, 0.75), (0.25, 0.5), (0, 0.25)]),
    ],
)
def test_intervals_of_four_layers(policy: str, expected: list[tuple[float, float]]) -> None:
    assert decay_intervals(policy, layers=4) == expected


@pytest.mark.parametrize(
    ("law", "expected"),
    [("homogeneous", [1, 1, 1]), ("progressive", [3, 2, 1]), ("regressive", [1, 2, 3])],
)
def test_powers_of_three_layers(law: str, expected: list[int]) -> None:
    assert decay_powers(law, layers=3) == expected


@pytest.mark.parametrize("policy", ["overlapped", "same_start", "partition"])
def test_forward_policies_end_the_first_layers_first(policy: str) -> None:
    ends = [end for _, end in decay_intervals(policy, layers=9)]
    assert ends == sorted(ends)


@pytest.mark.parametrize("policy", INTERVALS)
@CHECKS
@given(st.data())
def test_offsets_move_intervals_but_never_empty_them(policy: str, data: st.DataObject) -> None:
    layers = data.draw(st.integers(1, 200))
    offset = data.draw(st.floats(-2.0, 2.0))
    plain = decay_intervals(policy, layers)
    moved = decay_intervals(policy, layers, offsets=[offset] * layers)
    for (start, end), (a, b) in zip(plain, moved, strict=True):
        assert 0.0 <= a < b <= 1.0
        assert b - a >= min(SHORTEST, end - start) - 1e-12
        if start + offset >= 0.0 and end + offset <= 1.0:
            assert (a, b) == pytest.approx((start + offset, end + offset))
    assert decay_intervals(policy, layers, offsets=[0.0] * layers) == plain


def test_an_offset_is_clipped_to_the_budget() -> None:
    assert shift((0.5, 1.0), 0.2) == (0.7, 1.0)
    assert shift((0.0, 0.5), -0.2) == (0.0, 0.3)
    assert shift((0.9, 1.0), 0.5) == (0.99, 1.0)


def test_wrong_requests_say_what_is_allowed() -> None:
    with pytest.raises(ValueError, match=r"must be one of overlapped, same_start.*got 'sideways'"):
        decay_intervals("sideways", layers=3)
    with pytest.raises(ValueError, match=f"must be one of {', '.join(POWER_LAWS)}"):
        decay_powers("cubic", layers=3)
    with pytest.raises(ValueError, match="layers >= 1"):
        decay_powers("progressive", layers=0)
    with pytest.raises(ValueError, match="got 2 for 3 layers"):
        decay_intervals("partition", layers=3, offsets=[0.0, 0.1])
