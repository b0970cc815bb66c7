"""Samples of noise for eager code on a CPU: two additions instead of a logarithm or a root for every number."""

from functools import lru_cache

import torch
from torch import Tensor

from ana_search.ana.counter import TABLE, Key, hashed_uniform, in_memory_order, row_bits
from ana_search.ana.noise import NoiseFamily

__all__ = ["pooled_noise"]


def pooled_noise(like: Tensor, family: NoiseFamily, key: Key, start: int = 0) -> Tensor:
    """Return samples of a family's noise in native units, one for each element of ``like``, in its shape and format.

    Noise of every family but the uniform one is the difference of two independent variables of one distribution
    (`NoiseFamily.half_quantile`). Two tables hold 2**18 samples of it each, one from each of as many equally
    probable intervals, in random orders. For every key and every 2**18 elements, each table is read from a random
    place on: two rows or calls repeat numbers only if the two places are equally far apart, one time in 2**18.
    C. Wallace, "Fast pseudorandom generators for normal and exponential variates", ACM TOMS 22, 1996, adds up the
    numbers of a pool likewise.

    ``start`` is the index, in memory order, of the first element.
    """
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    plus, minus = _tables(family, dtype)
    n = like.numel()
    noise = torch.empty(n, dtype=dtype, device=like.device)
    done = 0
    while done < n:
        row, first = divmod(start + done, TABLE)
        size = min(n - done, TABLE - first)
        bits = row_bits(key, row)
        i, j = first + bits % TABLE, first + (bits >> 32) % TABLE
        torch.sub(plus[i : i + size], minus[j : j + size], out=noise[done : done + size])
        done += size
    return in_memory_order(noise, like)


@lru_cache(maxsize=8)
def _tables(family: NoiseFamily, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return two tables of samples, each twice in a row, so that one can be read from any place on."""
    return _table(family, dtype, 1), _table(family, dtype, 2)


def _table(family: NoiseFamily, dtype: torch.dtype, number: int) -> Tensor:
    like = torch.empty(TABLE, dtype=torch.float64, device="cpu")
    key = torch.tensor(number, dtype=torch.int32, device="cpu")
    order = hashed_uniform(like, (key, key)).argsort()
    within = hashed_uniform(like, (key, -key))
    v = (order * 2.0 + 1.0 + within) / TABLE - 1.0
    return family.half_quantile(v).to(dtype).repeat(2)
