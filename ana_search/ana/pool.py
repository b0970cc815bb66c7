"""Samples of noise on a CPU: a subtraction instead of a logarithm or a root for every number."""

from functools import lru_cache

import torch
from torch import Tensor

from ana_search.ana.counter import TABLE, Key, hashed_uniform, in_memory_order, rows
from ana_search.ana.noise import NOISE_FAMILIES, DifferenceFamily

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
    double = like.dtype == torch.float64
    function = _pooled if torch.compiler.is_compiling() else _differences
    noise: Tensor = function(like.numel(), family.name, double, *key, start)
    return in_memory_order(noise, like)


def _differences(n: int, family: str, double: bool, first_key: Tensor, second_key: Tensor, start: int) -> Tensor:
    """Return ``n`` numbers of `pooled_noise`, in a row."""
    dtype = torch.float64 if double else torch.float32
    plus, minus = _tables(family, dtype)
    noise = torch.empty(n, dtype=dtype, device="cpu")
    for bits, first, part in rows((first_key, second_key), start, n):
        size = part.stop - part.start
        i, j = first + bits % TABLE, first + (bits >> 32) % TABLE
        torch.sub(plus[i : i + size], minus[j : j + size], out=noise[part])
    return noise


# What the compiler takes as one operation, whose inside it does not look at.
_pooled = torch.library.custom_op("ana_search::pooled_noise", _differences, mutates_args=())


@_pooled.register_fake
def _(n: int, family: str, double: bool, first_key: Tensor, second_key: Tensor, start: int) -> Tensor:
    return torch.empty(n, dtype=torch.float64 if double else torch.float32, device=first_key.device)


@lru_cache(maxsize=8)
def _tables(name: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return two tables of samples, each twice in a row, so that one can be read from any place on."""
    family = NOISE_FAMILIES[name]
    assert isinstance(family, DifferenceFamily)
    return _table(family, dtype, 1), _table(family, dtype, 2)


def _table(family: DifferenceFamily, dtype: torch.dtype, number: int) -> Tensor:
    like = torch.empty(TABLE, dtype=torch.float64, device="cpu")
    key = torch.tensor(number, dtype=torch.int32, device="cpu")
    order = hashed_uniform(like, (key, key)).argsort()
    within = hashed_uniform(like, (key, -key))
    v = (order * 2.0 + 1.0 + within) / TABLE - 1.0
    return family.half_quantile(v).to(dtype).repeat(2)
