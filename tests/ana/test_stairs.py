import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ana_search.ana import StairFunction
from tests.ana.cases import CHECKS, STAIRS, stair_values, stairs


def test_the_reference_quantiser_is_ternary() -> None:
    stair = StairFunction.ternary()
    assert (stair.levels, stair.thresholds, stair.quantum) == ((-1.0, 0.0, 1.0), (-0.5, 0.5), 1.0)


@pytest.mark.parametrize(
    ("bits", "signed", "balanced", "levels"),
    [
        (1, True, True, [-1, 1]),
        (1, True, False, [-1, 0]),
        (1, False, True, [0, 1]),
        (2, True, True, [-1, 0, 1]),
        (2, True, False, [-2, -1, 0, 1]),
        (2, False, True, [0, 1, 2, 3]),
        (8, True, True, list(range(-127, 128))),
        (8, False, False, list(range(256))),
    ],
)
def test_levels_of_bits(bits: int, signed: bool, balanced: bool, levels: list[int]) -> None:
    stair = StairFunction.from_bits(bits, signed, balanced)
    assert list(stair.levels) == levels
    if levels != [-1, 1]:
        assert list(stair.thresholds) == [level + 0.5 for level in levels[:-1]]


def test_stairs_of_networks_cover_the_same_range() -> None:
    for bits in range(2, 9):
        stair = StairFunction.for_network(bits)
        assert stair.quantum == 2.0 / (2 ** (bits - 1))
        assert 1.0 <= stair.scaled_levels[-1] < 2.0
    assert StairFunction.for_network("ternary") == StairFunction.ternary()
    assert StairFunction.for_network(2) == StairFunction((-2, -1, 0, 1), (-1.5, -0.5, 0.5))
    assert StairFunction.for_network(1).levels == (-1.0, 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", STAIRS)
def test_a_tie_goes_up_and_its_neighbour_down(name: str, dtype: torch.dtype) -> None:
    stair = STAIRS[name]
    ties = torch.tensor([t * stair.quantum for t in stair.thresholds], dtype=dtype)
    levels = torch.tensor([level * stair.quantum for level in stair.levels], dtype=dtype)
    assert torch.equal(stair(ties), levels[1:])
    below = torch.nextafter(ties, torch.full_like(ties, -np.inf))
    assert torch.equal(stair(below), levels[:-1])


@CHECKS
@given(stairs(), st.integers(0, 1000))
def test_counting_thresholds_gives_the_same(stair: StairFunction, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    reach = 2.0 * max(map(abs, stair.scaled_thresholds)) + 1.0
    x = reach * (2.0 * torch.rand(300, generator=generator, dtype=torch.float64) - 1.0)
    assert np.array_equal(stair(x).numpy(), stair_values(x.numpy(), stair))
    single = x.float()
    expected = torch.tensor(stair_values(single.double().numpy(), stair)).float()
    near = (single[None] - torch.tensor(stair.scaled_thresholds)[:, None]).abs().amin(0) < 1e-5
    assert torch.equal(stair(single)[~near], expected[~near])


@pytest.mark.parametrize("name", STAIRS)
def test_values_that_are_no_numbers(name: str) -> None:
    stair = STAIRS[name]
    x = torch.tensor([float("nan"), float("inf"), -float("inf")])
    y = stair(x)
    assert torch.isnan(y[0])
    assert y[1:].tolist() == pytest.approx([stair.scaled_levels[-1], stair.scaled_levels[0]])


def test_half_precision_keeps_its_dtype_and_exact_levels() -> None:
    stair = StairFunction.for_network(8)
    x = torch.linspace(-3, 3, 1001).bfloat16()
    y = stair(x)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, stair(x.float()).bfloat16())


def test_large_arguments_are_cut_block_by_block_alike() -> None:
    stair = StairFunction.ternary()
    x = torch.randn(3, 5, 300, 401).to(memory_format=torch.channels_last)
    y = stair(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, torch.where(x >= 0.5, 1.0, torch.where(x >= -0.5, 0.0, -1.0)))
    assert torch.equal(stair(x[:, :, ::2]), y[:, :, ::2])


def test_copies_are_equal_and_hash_alike() -> None:
    stair = StairFunction.from_bits(4, quantum=0.1)
    assert pickle.loads(pickle.dumps(stair)) == copy.deepcopy(stair) == stair
    assert hash(copy.deepcopy(stair)) == hash(stair)
    with pytest.raises(AttributeError):
        stair.quantum = 2.0  # type: ignore[misc]  # that it fails is the point


@pytest.mark.parametrize(
    ("levels", "thresholds", "quantum", "message"),
    [
        ((0, 1), (0.5, 0.6), 1.0, "2 levels and 2 thresholds"),
        ((0,), (), 1.0, "at least one threshold"),
        ((1, 0), (0.5,), 1.0, "`levels` must be finite and strictly increasing"),
        ((0, 1, 2), (0.5, 0.5), 1.0, "`thresholds` must be finite and strictly increasing"),
        ((0, float("inf")), (0.5,), 1.0, "finite"),
        ((0, 1), (0.5,), 0.0, "`quantum > 0` must hold, but got quantum=0.0"),
    ],
)
def test_impossible_stairs_are_refused(
    levels: tuple[float, ...], thresholds: tuple[float, ...], quantum: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        StairFunction(levels, thresholds, quantum)


@pytest.mark.parametrize("bits", [0, 9, 2.5])
def test_impossible_bits_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="1 <= bits <= 8"):
        StairFunction.from_bits(bits)
