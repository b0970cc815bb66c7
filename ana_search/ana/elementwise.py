"""Fast element-wise evaluation: comparisons that yield floats, and work in blocks that stay in the cache."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "BLOCK",
    "INTEL",
    "WIDE_VECTORS",
    "Place",
    "ahead",
    "blockwise",
    "exp2",
    "moved",
    "not_repeated",
    "reached",
    "working",
]

WIDE_VECTORS = torch.backends.cpu.get_cpu_capability() == "AVX512"
"""Whether the CPU works on sixteen single-precision numbers at once: other functions are then the cheap ones."""


def _made_by_intel() -> bool:
    try:
        return "GenuineIntel" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


INTEL = _made_by_intel()
"""Whether Intel's library of functions, which PyTorch calls for some, finds the CPU that it was written for."""


BLOCK = 65536 if INTEL else 262144
"""Elements worked on at a time (times the number of threads): few enough to stay in the cache, many enough
for the cost of a call not to matter. (Of the CPUs tried, AMD's lose less by leaving the second-level cache.)"""


def reached(x: Tensor, threshold: float | Tensor) -> Tensor:
    """Return 1 where ``x >= threshold`` and 0 elsewhere, in the dtype of ``x``."""
    if torch.compiler.is_compiling():
        return (x >= threshold).to(x.dtype)
    # Writing into a float tensor is several times faster than making a boolean one and converting it.
    out: Tensor = torch.ge(x, threshold, out=torch.empty_like(x))
    return out


def exp2(x: Tensor) -> Tensor:
    """Return ``2**x`` for compiled code, by inline operations where that is faster.

    With vectors of eight numbers a polynomial costs two thirds of the library's function. (With vectors of sixteen
    its last step, from bits to floats, is done number by number.) It was fitted here on ``|x| <= 1/2`` and is exact to
    8e-8 of the result, which is never less than ``2**-126`` or more than ``2**126``.
    """
    if x.dtype != torch.float32 or x.device.type != "cpu" or WIDE_VECTORS:
        return torch.exp2(x)
    x = x.clamp(-126.0, 126.0)
    whole = torch.round(x)
    rest = x - whole
    a, b, c, d, e, f = _EXP2
    square = rest * rest
    power = (a + b * rest) + square * ((c + d * rest) + square * (e + f * rest))
    return power * ((whole.to(torch.int32) + 127) << 23).view(torch.float32)


def ahead(value: float | Tensor) -> float | Tensor:
    """Return a number or a 0-d tensor; compiled code for a CPU computes it before the loops over elements.

    The compiler puts what makes single numbers into these loops, but for a reduction: here the larger of two equal
    numbers.
    """
    if not isinstance(value, Tensor) or value.device.type != "cpu" or not torch.compiler.is_compiling():
        return value
    return value.expand(2).amax()


def moved(value: Tensor, device: torch.device) -> Tensor:
    """Return ``value`` on ``device``: on a GPU without waiting for what that has still to do."""
    return value.to(device, non_blocking=device.type != "cpu")


def not_repeated(x: Tensor) -> Tensor:
    """Return ``x``, in compiled code by an operation that is not computed anew in the backward pass.

    What is to be kept for it PyTorch's compiler may as well compute again, even where that takes longer: for a level
    it keeps the comparisons instead, which it reads far more slowly. It does not repeat the reversal of
    dimensions, here of none.
    """
    return torch.flip(x, ()) if torch.compiler.is_compiling() else x


def working(x: Tensor) -> Tensor:
    """Return ``x`` in the precision that is computed in: half precisions are widened to float32."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class Place(NamedTuple):
    """Which elements of a tensor a block is."""

    start: int
    """The index, in memory order, of the block's first element."""
    whole: int
    """The number of the tensor's elements."""
    out: Tensor | None
    """Memory for the block's result, in the precision that it is computed in; ``None`` for new memory."""


Blockwise = Callable[[Tensor, Tensor | None, Place], Tensor]
"""A function of a block, of the same block of another tensor, if there is one, and of their place."""


def blockwise(function: Blockwise, x: Tensor, other: Tensor | None = None) -> Tensor:
    """Return an element-wise function of ``x`` and perhaps another tensor, computed block by block on the CPU.

    Eager element-wise code makes a temporary for every operation; in blocks these stay in the cache instead
    of being written to memory. The result has the shape, dtype and memory format of ``x``.
    """
    if torch.compiler.is_compiling() or x.device.type != "cpu":
        return function(x, other, Place(0, x.numel(), None)).to(x.dtype)
    block = BLOCK * torch.get_num_threads()
    if x.numel() <= block and x.is_contiguous() and (other is None or other.is_contiguous()):
        return function(x, other, Place(0, x.numel(), None)).to(x.dtype)
    result = torch.empty_like(x)
    if result.stride() != x.stride():
        x = torch.empty_like(x).copy_(x)
    if other is not None and other.stride() != result.stride():
        other = torch.empty_like(result).copy_(other)
    flat_x, flat_result = _flat(x), _flat(result)
    flat_other = None if other is None else _flat(other)
    for start in range(0, x.numel(), block):
        part = slice(start, start + block)
        of_x, out = flat_x[part], flat_result[part]
        of_other = None if flat_other is None else flat_other[part]
        place = Place(start, x.numel(), out if working(of_x) is of_x else None)
        value = function(of_x, of_other, place)
        if value.data_ptr() != out.data_ptr():
            out.copy_(value)
    return result


def _flat(x: Tensor) -> Tensor:
    """Return the elements of a dense tensor in memory order."""
    return x.as_strided((x.numel(),), (1,))


_EXP2 = (1.00000007, 0.693146967, 0.240221197, 0.0555071327, 0.00967554133, 0.00132764718)
