"""Counter-based random numbers: a hash of each element's index, the same in blocks, threads and compiled code."""

from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["Key", "draw_key", "symmetric_uniform"]

Key = tuple[Tensor, Tensor]
"""Two random 32-bit integers (0-d tensors) that seed one call."""

# Odd multipliers of the mixer, as signed 32-bit integers.
_MIX_1 = 0x7FEB352D
_MIX_2 = 0x846CA68B - 2**32


def draw_key(device: torch.device, generator: torch.Generator | None = None) -> Key:
    """Return a new key from ``generator`` (default: torch's own for the device), which advances."""
    low, high = -(2**31), 2**31
    drawn = torch.randint(low, high, (2,), generator=generator, dtype=torch.int64, device=device)
    first, second = drawn.to(torch.int32).unbind()
    return first, second


def symmetric_uniform(like: Tensor, key: Key, start: int = 0) -> Tensor:
    """Return numbers uniform on (-1, 1), one for each element of ``like``, in its shape, dtype and memory format.

    Element ``i`` in memory order gets a hash of ``start + i`` under ``key``, by the xor-shift-multiply mixer of
    C. Wellons, "Prospecting for hash functions" (2018; lowbias32), keyed twice. Of its 32 bits a float32 takes
    24. The grid is shifted by half a step, so that it is symmetric and the ends do not occur.
    """
    h = _in_memory_order(_indices(like.numel(), like.device) + (key[0] + start), like)
    h = h.bitwise_xor_((h >> 16).bitwise_and_(0xFFFF)).mul_(_MIX_1).bitwise_xor_(key[1])
    h = h.bitwise_xor_((h >> 15).bitwise_and_(0x1FFFF)).mul_(_MIX_2)
    if like.dtype == torch.float64:
        h.bitwise_xor_((h >> 16).bitwise_and_(0xFFFF))
        return h.to(torch.float64).mul_(2.0**-31).add_(2.0**-32)
    return h.bitwise_right_shift_(8).to(torch.float32).mul_(2.0**-23).add_(2.0**-24)


def _in_memory_order(flat: Tensor, like: Tensor) -> Tensor:
    """Return the elements of ``flat`` in the shape of ``like`` and, where that is dense, in its memory format."""
    if like.is_contiguous():
        return flat.view(like.shape)
    outward = sorted(range(like.dim()), key=lambda dimension: like.stride(dimension), reverse=True)
    inverse = sorted(range(like.dim()), key=outward.__getitem__)
    return flat.view([like.shape[dimension] for dimension in outward]).permute(inverse)


def _indices(n: int, device: torch.device) -> Tensor:
    if torch.compiler.is_compiling() or n > _KEPT:
        return torch.arange(n, dtype=torch.int32, device=device)
    return _kept_indices(device)[:n]


_KEPT = 1 << 18


@lru_cache(maxsize=8)
def _kept_indices(device: torch.device) -> Tensor:
    return torch.arange(_KEPT, dtype=torch.int32, device=device)
