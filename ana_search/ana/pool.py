"""Samples of noise on a CPU: a subtraction instead of a logarithm or a root for every number."""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from ana_search.ana.counter import TABLE, Key, hashed_uniform, in_memory_order, rows
from ana_search.ana.elementwise import Place
from ana_search.ana.noise import NOISE_FAMILIES, DifferenceFamily

__all__ = ["even_rows", "noise_in_rows", "pooled_noise"]


def pooled_noise(like: Tensor, family: DifferenceFamily, key: Key, place: Place | None = None) -> Tensor:
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
    noise: Tensor
    if torch.compiler.is_compiling():
        noise = _pooled(n, family.name, double, *key)
    else:
        start, whole, out = place or (0, n, None)
        noise = torch.empty(n, dtype=_precision(double), device="cpu") if out is None else out
        _write_differences(noise, family.name, key, start, whole)
    return in_memory_order(noise, like)


def even_rows(n: int) -> int | None:
    """Return into how many rows of the same length ``n`` elements are cut; ``None`` if these would be too short.

    ``None`` as well for compiled code that serves any number of elements: it would be compiled anew for each.
    """
    if torch.compiler.is_compiling():
        from torch.fx.experimental.symbolic_shapes import has_static_value  # takes long to import

        if not has_static_value(n):
            return None
    fewest = max(1, -(-n // TABLE))
    for count in range(fewest, _MOST_ROWS * fewest + 1):
        if n % count == 0:
            return count
    return None


def noise_in_rows(like: Tensor, family: DifferenceFamily, key: Key) -> Tensor:
    """Return the numbers of `pooled_noise` for the rows that ``like`` is made of, to be fused into compiled code.

    A table is taken for all the rows that begin anywhere in it, of which some are picked. The compiler then reads
    the numbers of a row one after the other, where they are needed; it need not write the noise down.
    """
    count, length = like.shape
    plus, minus = _made_before(family.name, like.dtype)
    first, second = _places(count, length, *key)
    noise: Tensor = _all_rows(plus, length)[first] - _all_rows(minus, length)[second]
    return noise


def _all_rows(table: Tensor, length: int) -> Tensor:
    """Return the rows of this length that begin anywhere in a table."""
    return table.as_strided((TABLE, length), (1, 1))


def _write_differences(noise: Tensor, family: str, key: Key, start: int, whole: int) -> None:
    """Write the numbers of `pooled_noise`, in a row."""
    plus, minus = _tables(family, noise.dtype)
    for bits, first, part in rows(key, start, len(noise), _row_length(whole)):
        size = part.stop - part.start
        i, j = (first + place for place in _places_in_tables(bits))
        torch.sub(plus[i : i + size], minus[j : j + size], out=noise[part])


@lru_cache(maxsize=256)
def _row_length(whole: int) -> int:
    count = even_rows(whole)
    return TABLE if count is None else whole // count


# What the compiler takes as one operation, whose inside it does not look at.
@torch.library.custom_op("ana_search::pooled_noise", mutates_args=())
def _pooled(n: int, family: str, double: bool, first_key: Tensor, second_key: Tensor) -> Tensor:
    """Return the noise of a tensor with ``n`` elements."""
    noise = torch.empty(n, dtype=_precision(double), device="cpu")
    _write_differences(noise, family, (first_key, second_key), 0, n)
    return noise


@_pooled.register_fake
def _(n: int, family: str, double: bool, first_key: Tensor, second_key: Tensor) -> Tensor:
    return torch.empty(n, dtype=_precision(double), device=first_key.device)


def _precision(double: bool) -> torch.dtype:
    return torch.float64 if double else torch.float32


@torch.library.custom_op("ana_search::pool_places", mutates_args=())
def _places(count: int, length: int, first_key: Tensor, second_key: Tensor) -> Tensor:
    """Return where in either table each of so many rows begins."""
    cut = rows((first_key, second_key), 0, count * length, length)
    return torch.tensor([_places_in_tables(bits) for bits, _, _ in cut], device="cpu").t().contiguous()


@_places.register_fake
def _(count: int, length: int, first_key: Tensor, second_key: Tensor) -> Tensor:
    return torch.empty((2, count), dtype=torch.int64, device=first_key.device)


def _places_in_tables(bits: int) -> tuple[int, int]:
    """Return where in either table a row with these random bits begins."""
    return bits % TABLE, (bits >> 32) % TABLE


def _made_before(name: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return `_tables`, for the compiler to take as they are."""
    return _tables(name, dtype)


_mark: Callable[[object], object] = torch.compiler.assume_constant_result  # which has no types
_mark(_made_before)


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


# Times the fewest: shorter rows would repeat more often.
_MOST_ROWS = 4
