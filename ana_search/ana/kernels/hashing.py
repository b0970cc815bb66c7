"""Uniform random numbers, most of them counter-based: functions of a key and of each element's index."""

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from ana_search.ana.kernels.blocks import in_memory_order

TABLE = 1 << 18
"""Numbers in a table that is made once."""

Key = tuple[Tensor, Tensor]
"""Two random 32-bit integers (0-d tensors) that seed one call."""

Source = Key | torch.Generator
"""Where the numbers of one call come from."""

# Odd multipliers of the mixer, as signed 32-bit integers, and the odd number next to 2**64 over the golden ratio.
_MIX_1 = 0x7FEB352D
_MIX_2 = 0x846CA68B - 2**32
_GOLDEN = 0x9E3779B97F4A7C15


def random_source(device: torch.device, generator: torch.Generator | None = None) -> Source:
    """Return where the numbers of one call on ``device`` come from: a new key or, on a GPU, the generator itself.

    ``generator`` (default: torch's own for the device) advances. A GPU draws all numbers in one kernel, but for
    compiled code, which hashes where it needs them.
    """
    if device.type == "cuda" and not torch.compiler.is_compiling():
        return torch.cuda.default_generators[device.index or 0] if generator is None else generator
    return draw_key(device, generator)


def draw_key(device: torch.device, generator: torch.Generator | None = None) -> Key:
    """Return a new key from ``generator`` (default: torch's own for the device), which advances."""
    low, high = -(2**31), 2**31
    drawn = torch.randint(low, high, (2,), generator=generator, dtype=torch.int64, device=device)
    first, second = drawn.to(torch.int32).unbind()
    return first, second


def random_uniform(like: Tensor, source: Source, start: int = 0) -> Tensor:
    """Return numbers uniform on (-1, 1), one for each element of ``like``, in its shape, dtype and memory format.

    Eager code on a CPU hashes a table of 2**18 numbers once; for every key and every 2**18 elements, the table is
    then mapped by ``a h + b (mod 2**32)`` with an odd ``a`` and a ``b`` of their own. Within the table that keeps
    independent numbers independent; two maps of one number are independent in pairs, as in multiply-shift hashing
    (Dietzfelbinger, "Universal hashing and k-wise independent random variables via integer arithmetic without
    primes", 1996). It takes two operations instead of ten. Elsewhere this is `hashed_uniform`; a generator
    draws the numbers itself.

    ``start`` is the index, in memory order, of the first element.
    """
    if isinstance(source, torch.Generator):
        dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        return torch.empty_like(like, dtype=dtype).uniform_(-1.0 + 2.0**-24, 1.0, generator=source)
    key = source
    if torch.compiler.is_compiling() or like.device.type != "cpu":
        return hashed_uniform(like, key, start)
    table, n = _table(), like.numel()
    bits = torch.empty(n, dtype=torch.int32, device=like.device)
    for random_bits, first, part in rows(key, start, n):
        factor, term = _halves(random_bits)
        numbers = table[first : first + part.stop - part.start]
        torch.add(numbers.new_tensor(term), numbers, alpha=factor | 1, out=bits[part])
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    # A little less than 2**-31, or the largest integer would become 1.
    return in_memory_order(bits.to(dtype).mul_(2.0**-31 * (1.0 - 2.0**-24)), like)


def hashed_uniform(like: Tensor, key: Key, start: int = 0) -> Tensor:
    """Return numbers uniform on (-1, 1), one for each element of ``like``, in its shape, dtype and memory format.

    On any device, element ``i`` in memory order gets a hash of ``start + i`` under ``key``, by the
    xor-shift-multiply mixer of C. Wellons, "Prospecting for hash functions" (2018; lowbias32), keyed twice. Of
    its 32 bits a float32 takes 24. The grid is shifted by half a step, so that it is symmetric and the ends do not
    occur.
    """
    indices = torch.arange(like.numel(), dtype=torch.int32, device=like.device)
    h = _hash(in_memory_order(indices.add_(key[0] + start), like), key[1])
    if like.dtype == torch.float64:
        return _low_bits_mixed(h).to(torch.float64).mul_(2.0**-31).add_(2.0**-32)
    return h.bitwise_right_shift_(8).to(torch.float32).mul_(2.0**-23).add_(2.0**-24)


def rows(key: Key, start: int, n: int, length: int = TABLE) -> Iterator[tuple[int, int, slice]]:
    """Cut ``n`` elements, of which ``start`` is the first one's index, into rows.

    Yields 64 random bits of the row, the place in the row where the elements begin, and which elements they are.
    """
    seed = (int(key[0]) % 2**32 << 32) + int(key[1]) % 2**32
    done = 0
    while done < n:
        row, first = divmod(start + done, length)
        part = slice(done, done + min(n - done, length - first))
        yield _mix(seed + row * _GOLDEN), first, part
        done = part.stop


def _hash(h: Tensor, key: Tensor | int) -> Tensor:
    """Return the hash of 32-bit integers, in their memory, whose high bits are the better ones."""
    h = h.bitwise_xor_((h >> 16).bitwise_and_(0xFFFF)).mul_(_MIX_1).bitwise_xor_(key)
    return h.bitwise_xor_((h >> 15).bitwise_and_(0x1FFFF)).mul_(_MIX_2)


def _low_bits_mixed(h: Tensor) -> Tensor:
    return h.bitwise_xor_((h >> 16).bitwise_and_(0xFFFF))


@lru_cache(maxsize=1)
def _table() -> Tensor:
    """Return 2**18 hashed integers."""
    first, second = _halves(_GOLDEN)
    return _low_bits_mixed(_hash(torch.arange(TABLE, dtype=torch.int32, device="cpu") + first, second))


def _mix(number: int) -> int:
    """Return 64 bits that all depend on all of ``number``'s: the finaliser of SplitMix64 (Steele et al., 2014)."""
    z = number % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def _halves(number: int) -> tuple[int, int]:
    """Return 64 bits as two signed 32-bit integers."""
    high, low = number >> 32, number % 2**32
    return high - 2**32 * (high >> 31), low - 2**32 * (low >> 31)
