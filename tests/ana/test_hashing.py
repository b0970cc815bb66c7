"""Counter-based noise: a function of the key and of each element's place in memory, and of nothing else."""

import itertools
from collections.abc import Callable

import pytest
import torch
from scipy import stats

from ana_search.ana.kernels.hashing import Key, draw_key, hashed_uniform, random_uniform

CPU = torch.device("cpu")
TABLE = 1 << 18
Draw = Callable[..., torch.Tensor]
draws = pytest.mark.parametrize("draw", [hashed_uniform, random_uniform])


def key(seed: int) -> Key:
    return draw_key(CPU, torch.Generator().manual_seed(seed))


@draws
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_are_uniform_and_never_the_ends(draw: Draw, dtype: torch.dtype) -> None:
    for seed in range(5):
        v = draw(torch.empty(100_000, dtype=dtype), key(seed))
        assert v.dtype == dtype
        assert v.abs().max() < 1.0
        assert stats.kstest(v.numpy(), stats.uniform(-1.0, 2.0).cdf).pvalue > 1e-4
        bits = ((v.double() + 1.0) * 2.0**23).long()
        for bit in range(8, 24):  # the low ones of a float32 too
            ones = (bits >> (bit - 8) & 1).double().mean().item()
            assert abs(ones - 0.5) < 0.01


@draws
def test_neighbours_and_calls_are_not_correlated(draw: Draw) -> None:
    n = 200_000
    v, other = (draw(torch.empty(n), key(seed)).double() for seed in (1, 2))
    variance = 1.0 / 3.0
    for lag in (1, 2, 3, 64, 1024):
        assert abs((v[lag:] * v[:-lag]).mean() / variance) < 5.0 / n**0.5
    assert abs((v * other).mean() / variance) < 5.0 / n**0.5


def test_keys_a_constant_stride_apart_give_unrelated_numbers() -> None:
    first, second = key(3)
    stride = 0x9E3779B9 - 2**32  # as progressive freezing counts its draws
    n = 50_000
    draws = torch.stack(
        [hashed_uniform(torch.empty(n), (first, (second * 0 + k) * stride)).double() for k in range(1, 9)]
    )
    related = torch.corrcoef(draws) - torch.eye(8)
    assert related.abs().max() < 5.0 / n**0.5


@draws
def test_parts_are_parts_of_the_whole(draw: Draw) -> None:
    n = 3 * TABLE
    whole = draw(torch.empty(n), key(4))
    for start, size in [(0, 300), (450, 300), (TABLE - 10, 30), (TABLE, TABLE), (5, 2 * TABLE)]:
        assert torch.equal(draw(torch.empty(size), key(4), start=start), whole[start : start + size])
    assert torch.equal(draw(torch.empty(20, 50), key(4)).flatten(), whole[:1000])


def test_rows_of_the_table_and_calls_are_independent() -> None:
    rows = random_uniform(torch.empty(6 * TABLE), key(8)).view(6, TABLE)
    other = random_uniform(torch.empty(2 * TABLE), key(9)).view(2, TABLE)
    every = torch.cat([rows, other]).double()
    cells = ((every + 1.0) * 8.0).long()
    limit = stats.chi2(15 * 15).ppf(1.0 - 1e-6)
    for i, j in itertools.combinations(range(8), 2):  # pairs, in 16 x 16 cells
        seen = torch.bincount(cells[i] * 16 + cells[j], minlength=256).double()
        assert ((seen - TABLE / 256).square() / (TABLE / 256)).sum() < limit
    products = torch.stack([every[i] * every[j] * every[k] for i, j, k in itertools.combinations(range(8), 3)])
    assert products.mean(1).abs().max() < 5.0 * (1.0 / 27.0 / TABLE) ** 0.5


def test_large_tensors_continue_the_kept_indices() -> None:
    n = (1 << 18) + 5
    whole = hashed_uniform(torch.empty(n), key(5))
    assert torch.equal(hashed_uniform(torch.empty(100), key(5)), whole[:100])


@draws
@pytest.mark.parametrize("permutation", [(0, 2, 3, 1), (3, 1, 0, 2), (1, 0, 2, 3)])
def test_elements_are_counted_in_memory_order(draw: Draw, permutation: tuple[int, ...]) -> None:
    like = torch.empty(2, 3, 4, 5).permute(permutation)
    v = draw(like, key(6))
    assert v.shape == like.shape
    assert v.stride() == like.stride()
    in_memory = v.as_strided((v.numel(),), (1,))
    assert torch.equal(in_memory, draw(torch.empty(120), key(6)))


def test_the_key_comes_from_the_generator_and_advances_it() -> None:
    generator = torch.Generator().manual_seed(7)
    state = torch.random.get_rng_state()
    first, again = draw_key(CPU, generator), draw_key(CPU, generator)
    assert not torch.equal(torch.stack(first), torch.stack(again))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(torch.stack(first), torch.stack(key(7)))
