"""Counter-based random numbers: a hash of each element's index, the same in blocks, threads and compiled code."""

from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["Key", "draw_key", "symmetric_uniform"]

Key = tuple[Tensor, Tensor]
"""Two random 32-bit integers (0-d tensors) that seed one call."""

# Odd multipliers of the mixer, as signed 32-bit integers.
_STRIDE = 0x9E3779B9 - 2**32
_MIX_1 = 0x7FEB352D
_MIX_2 = 0x846CA68B - 2**32


def draw_key(device: torch.device, generator: torch.Generator | None = None) -> Key:
    """Return a new key from ``generator`` (default: torch's own for the device), which advances."""
    low, high = -(2**31), 2**31
    drawn = torch.randint(low, high, (2,), generator=generator, dtype=torch.int64, device=device)
    first, second = drawn.to(torch.int32).unbind()
    return first, second


def symmetric_uniform(like: Tensor, key: Key, start: int = 0) -> Tensor:
    """Return numbers uniform on (-1, 1), one for each element of ``like``, in its shape and dtype.

    Element ``i`` gets a hash of ``start + i`` under ``key``, by the xor-shift-multiply mixer of C. Wellons,
    "Prospecting for hash functions" (2018; lowbias32), keyed twice. Of its 32 bits a float32 takes 24. The
    grid is shifted by half a step, so that it is symmetric and the ends do not occur.
    """
    h = _indices(like.numel(), like.device)
    h = (h if start == 0 else h + start).view(like.shape)
    h = (h ^ key[0]) * _STRIDE ^ key[1]
    h = (h ^ ((h >> 16) & 0xFFFF)) * _MIX_1
    h = (h ^ ((h >> 15) & 0x1FFFF)) * _MIX_2
    h = h ^ ((h >> 16) & 0xFFFF)
    if like.dtype == torch.float64:
        return h.to(torch.float64) * 2.0**-31 + 2.0**-32
    return (h >> 8).to(torch.float32) * 2.0**-23 + 2.0**-24


def _indices(n: int, device: torch.device) -> Tensor:
    if torch.compiler.is_compiling() or n > _KEPT:
        return torch.arange(n, dtype=torch.int32, device=device)
    return _kept_indices(device)[:n]


_KEPT = 1 << 16


@lru_cache(maxsize=8)
def _kept_indices(device: torch.device) -> Tensor:
    return torch.arange(_KEPT, dtype=torch.int32, device=device)
