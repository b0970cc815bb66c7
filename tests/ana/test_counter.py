"""Counter-based noise: a function of the key and of each element's place in memory, and of nothing else."""

import pytest
import torch
from scipy import stats

from ana_search.ana.counter import draw_key, symmetric_uniform

CPU = torch.device("cpu")


def key(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    return draw_key(CPU, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_are_uniform_and_never_the_ends(dtype: torch.dtype) -> None:
    for seed in range(5):
        v = symmetric_uniform(torch.empty(100_000, dtype=dtype), key(seed))
        assert v.dtype == dtype
        assert v.abs().max() < 1.0
        assert v.ne(0.0).all()
        assert stats.kstest(v.numpy(), stats.uniform(-1.0, 2.0).cdf).pvalue > 1e-4
        bits = ((v.double() + 1.0) * 2.0**23).long()
        for bit in range(8, 24):  # the low ones of a float32 too
            ones = (bits >> (bit - 8) & 1).double().mean().item()
            assert abs(ones - 0.5) < 0.01


def test_neighbours_and_calls_are_not_correlated() -> None:
    n = 200_000
    v, other = (symmetric_uniform(torch.empty(n), key(seed)).double() for seed in (1, 2))
    variance = 1.0 / 3.0
    for lag in (1, 2, 3, 64, 1024):
        assert abs((v[lag:] * v[:-lag]).mean() / variance) < 5.0 / n**0.5
    assert abs((v * other).mean() / variance) < 5.0 / n**0.5


def test_keys_a_constant_stride_apart_give_unrelated_numbers() -> None:
    first, second = key(3)
    stride = 0x9E3779B9 - 2**32  # as progressive freezing counts its draws
    n = 50_000
    draws = torch.stack(
        [symmetric_uniform(torch.empty(n), (first, (second * 0 + k) * stride)).double() for k in range(1, 9)]
    )
    related = torch.corrcoef(draws) - torch.eye(8)
    assert related.abs().max() < 5.0 / n**0.5


def test_parts_are_parts_of_the_whole() -> None:
    whole = symmetric_uniform(torch.empty(1000), key(4))
    assert torch.equal(symmetric_uniform(torch.empty(300), key(4), start=450), whole[450:750])
    assert torch.equal(symmetric_uniform(torch.empty(20, 50), key(4)).flatten(), whole)


def test_large_tensors_continue_the_kept_indices() -> None:
    n = (1 << 18) + 5
    whole = symmetric_uniform(torch.empty(n), key(5))
    assert torch.equal(symmetric_uniform(torch.empty(100), key(5)), whole[:100])


@pytest.mark.parametrize("permutation", [(0, 2, 3, 1), (3, 1, 0, 2), (1, 0, 2, 3)])
def test_elements_are_counted_in_memory_order(permutation: tuple[int, ...]) -> None:
    like = torch.empty(2, 3, 4, 5).permute(permutation)
    v = symmetric_uniform(like, key(6))
    assert v.shape == like.shape
    assert v.stride() == like.stride()
    in_memory = v.as_strided((v.numel(),), (1,))
    assert torch.equal(in_memory, symmetric_uniform(torch.empty(120), key(6)))


def test_the_key_comes_from_the_generator_and_advances_it() -> None:
    generator = torch.Generator().manual_seed(7)
    state = torch.random.get_rng_state()
    first, again = draw_key(CPU, generator), draw_key(CPU, generator)
    assert not torch.equal(torch.stack(first), torch.stack(again))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(torch.stack(first), torch.stack(key(7)))
