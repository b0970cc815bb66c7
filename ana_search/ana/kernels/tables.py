"""Samples of noise from tables, on a CPU: a subtraction instead of a logarithm or a root for every number."""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from ana_search.ana.kernels.blocks import Block, in_memory_order
from ana_search.ana.kernels.hashing import TABLE, Key, hashed_uniform, rows
from ana_search.ana.noise import NoiseFamily

HALVES: dict[str, Callable[[Tensor], Tensor]] = {
    "triangular": lambda v: 0.5 * v,
    "normal": lambda v: v.erfinv(),
    "logistic": lambda v: -torch.log(-torch.log(0.5 + 0.5 * v)),
}
"""The families whose noise is the difference of two independent variables of one distribution, and what such a variable
stays below with probability ``(1 + v) / 2``: uniform, normal and standard Gumbel variables. (Uniform noise is no such
difference: the characteristic function of one is nowhere negative.)"""

_MOST_ROWS = 4
"""Rows are of equal lengths where that takes no more than so many times the fewest: shorter ones would repeat more."""


def noise_from_tables(like: Tensor, family: NoiseFamily, key: Key, block: Block | None = None) -> Tensor:
    """Return samples of a family's noise in native units, one for each element of ``like``, in its shape and format.

    The noise is the difference of two independent variables. Two tables hold 2**18 samples each, one from each of
    as many equally probable intervals, in random orders. For every key and every row of at most 2**18 elements, each
    table is read from a random place on: two rows or calls repeat numbers only if the two places are equally far
    apart, one time in 2**18.
    C. Wallace, "Fast pseudorandom generators for normal and exponential variates", ACM TOMS 22, 1996, adds up the
    numbers of a pool likewise.

    ``like`` may be a block of a tensor, which has a place there; compiled code takes the noise of a whole tensor.
    """
    n, double = like.numel(), like.dtype == torch.float64
    start, whole, out = block or Block(0, n, None)
    noise: Tensor
    if torch.compiler.is_compiling():
        noise = _written(n, family.name, double, *key)
    else:
        noise = torch.empty(n, dtype=_precision(double), device="cpu") if out is None else out
        _write(noise, family.name, key, start, whole)
    return in_memory_order(noise, like)


def _write(noise: Tensor, family: str, key: Key, start: int, whole: int) -> None:
    """Write the noise of the elements from ``start`` on, of a tensor of ``whole`` elements, in a row."""
    plus, minus = _tables(family, noise.dtype)
    for bits, first, part in rows(key, start, len(noise), _row_length(whole)):
        size = part.stop - part.start
        i, j = first + bits % TABLE, first + (bits >> 32) % TABLE
        torch.sub(plus[i : i + size], minus[j : j + size], out=noise[part])


@lru_cache(maxsize=256)
def _row_length(whole: int) -> int:
    fewest = max(1, -(-whole // TABLE))
    for count in range(fewest, _MOST_ROWS * fewest + 1):
        if whole % count == 0:
            return whole // count
    return TABLE


# One operation for the compiler, which does not look inside.
@torch.library.custom_op("ana_search::noise_from_tables", mutates_args=())
def _written(n: int, family: str, double: bool, first_key: Tensor, second_key: Tensor) -> Tensor:
    """Return the noise of a tensor with ``n`` elements."""
    noise = torch.empty(n, dtype=_precision(double), device="cpu")
    _write(noise, family, (first_key, second_key), 0, n)
    return noise


@_written.register_fake
def _(n: int, family: str, double: bool, first_key: Tensor, second_key: Tensor) -> Tensor:
    return torch.empty(n, dtype=_precision(double), device=first_key.device)


def _precision(double: bool) -> torch.dtype:
    return torch.float64 if double else torch.float32


@lru_cache(maxsize=8)
def _tables(family: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return two tables of samples, each twice in a row, so that one can be read from any place on."""
    like = torch.empty(TABLE, dtype=torch.float64, device="cpu")

    def table(number: int) -> Tensor:
        key = torch.tensor(number, dtype=torch.int32, device="cpu")
        order, within = hashed_uniform(like, (key, key)).argsort(), hashed_uniform(like, (key, -key))
        return HALVES[family]((order * 2.0 + 1.0 + within) / TABLE - 1.0).to(dtype).repeat(2)

    return table(1), table(2)
