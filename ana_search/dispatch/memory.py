"""Keeping freed memory in the process, because every training step allocates what the last one freed."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

# `mallopt`'s parameters, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 1 << 30
_LARGEST_FROM_HEAP = 32 << 20  # glibc allows no more


def keep_freed_memory() -> bool:
    """Make the C library keep up to a gibibyte that this process frees, and return whether it could.

    By default glibc gives a large tensor's memory back to the kernel at once. A training run on a CPU frees and
    allocates the same tensors at every step, and the kernel has to clear their pages every time: 35,000 page faults
    and more in a trial of the quickstart. Only glibc can be asked; elsewhere nothing changes. Numbers do not depend
    on it.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all([mallopt(_TRIM_THRESHOLD, _KEPT), mallopt(_MMAP_THRESHOLD, _LARGEST_FROM_HEAP)])
