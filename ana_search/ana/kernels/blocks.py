"""Element-wise work on a CPU in blocks that stay in its cache."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 131_072
"""Elements worked on at a time (times the number of threads): few enough to stay in the cache, many enough for the
cost of a call not to matter."""


class Block(NamedTuple):
    """Which elements of a tensor a block is."""

    start: int
    """The index, in memory order, of the block's first element."""
    whole: int
    """The number of the tensor's elements."""
    out: Tensor | None
    """Memory for the block's result, in the precision that it is computed in; ``None`` for new memory."""


BlockFunction = Callable[[Tensor, Tensor | None, Block], Tensor]
"""A function of a block, of the same block of another tensor, if there is one, and of their place."""


def blockwise(function: BlockFunction, x: Tensor, other: Tensor | None = None) -> Tensor:
    """Return an element-wise function of ``x`` and perhaps another tensor, computed block by block on the CPU.

    Eager element-wise code makes a temporary for every operation; in blocks these stay in the cache instead of being
    written to memory. (Compiled code makes none, and a GPU has no such cache.) The result has the shape, dtype and
    memory format of ``x``.
    """
    if torch.compiler.is_compiling() or x.device.type != "cpu":
        return function(x, other, Block(0, x.numel(), None)).to(x.dtype)
    size = BLOCK * torch.get_num_threads()
    if x.numel() <= size and x.is_contiguous() and (other is None or other.is_contiguous()):
        return function(x, other, Block(0, x.numel(), None)).to(x.dtype)
    result = torch.empty_like(x)
    if result.stride() != x.stride():
        x = torch.empty_like(x).copy_(x)
    if other is not None and other.stride() != result.stride():
        other = torch.empty_like(result).copy_(other)
    row_x, row_result = in_a_row(x), in_a_row(result)
    row_other = None if other is None else in_a_row(other)
    for start in range(0, x.numel(), size):
        part = slice(start, start + size)
        of_x, out = row_x[part], row_result[part]
        of_other = None if row_other is None else row_other[part]
        value = function(of_x, of_other, Block(start, x.numel(), out if in_working_precision(of_x) is of_x else None))
        if value.data_ptr() != out.data_ptr():
            out.copy_(value)
    return result


def in_a_row(x: Tensor) -> Tensor:
    """Return the elements of a dense tensor in memory order."""
    return x.as_strided((x.numel(),), (1,))


def in_memory_order(row: Tensor, like: Tensor) -> Tensor:
    """Return the elements of ``row`` in the shape of ``like`` and, where that is dense, in its memory format."""
    if like.is_contiguous():
        return row.view(like.shape)
    outward = sorted(range(like.dim()), key=like.stride, reverse=True)  # the largest steps in memory first
    inverse = sorted(range(like.dim()), key=outward.__getitem__)
    return row.view([like.shape[dimension] for dimension in outward]).permute(inverse)


def at_least(x: Tensor, threshold: float | Tensor) -> Tensor:
    """Return 1 where ``x >= threshold`` and 0 elsewhere, in the dtype of ``x``."""
    if torch.compiler.is_compiling():
        return (x >= threshold).to(x.dtype)
    # Writing into a float tensor is several times faster than making a boolean one and converting it.
    out: Tensor = torch.ge(x, threshold, out=torch.empty_like(x))
    return out


def in_working_precision(x: Tensor) -> Tensor:
    """Return ``x`` in the precision that is computed in: half precisions are widened to float32."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
