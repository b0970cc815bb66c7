"""Samples of noise for eager code on a CPU: a subtraction instead of a logarithm or a root for every number."""

from functools import lru_cache

import torch
from torch import Tensor

from ana_search.ana.counter import TABLE, Key, hashed_uniform, in_memory_order, rows
from ana_search.ana.noise import DifferenceFamily

__all__ = ["pooled_noise"]


def pooled_noise(like: Tensor, family: DifferenceFamily, key: Key, start: int = 0) -> Tensor:
    """Return samples of a family's noise in native units, one for each element of ``like``, in its shape and format.

    The noise is the difference of two independent variables. Two tables hold 2**18 samples each, one from each of
    as many equally probable intervals, in random orders. For every key and every 2**18 elements, each table is read
    from a random place on: two rows or calls repeat numbers only if the two places are equally far apart, one time
    in 2**18.
    C. Wallace, "Fast pseudorandom generators for normal and exponential variates", ACM TOMS 22, 1996, adds up the
    numbers of a pool likewise.

    ``start`` is the index, in memory order, of the first element.
    """
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    plus, minus = _tables(family, dtype)
    noise = torch.empty(like.numel(), dtype=dtype, device=like.device)
    for bits, first, part in rows(key, start, like.numel()):
        size = part.stop - part.start
        i, j = first + bits % TABLE, first + (bits >> 32) % TABLE
        torch.sub(plus[i : i + size], minus[j : j + size], out=noise[part])
    return in_memory_order(noise, like)


@lru_cache(maxsize=8)
def _tables(family: DifferenceFamily, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return two tables of samples, each twice in a row, so that one can be read from any place on."""
    return _table(family, dtype, 1), _table(family, dtype, 2)


def _table(family: DifferenceFamily, dtype: torch.dtype, number: int) -> Tensor:
    like = torch.empty(TABLE, dtype=torch.float64, device="cpu")
    key = torch.tensor(number, dtype=torch.int32, device="cpu")
    order = hashed_uniform(like, (key, key)).argsort()
    within = hashed_uniform(like, (key, -key))
    v = (order * 2.0 + 1.0 + within) / TABLE - 1.0
    return family.half_quantile(v).to(dtype).repeat(2)
