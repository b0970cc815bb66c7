"""Planning memory by lifetime: values that are never needed together share their bytes."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Buffer", "plan"]


@dataclass(frozen=True)
class Buffer:
    """A value of ``size`` elements, written by step ``born`` and read for the last time by step ``dies``."""

    size: int
    born: int
    dies: int


def plan(buffers: Mapping[int, Buffer]) -> tuple[dict[int, int], int]:
    """Return the offset of every buffer in one array, and how many elements the array needs.

    The largest are placed first, each at the lowest offset where nothing lives that lives at the same time. A step
    may not write over what it reads.
    """
    offsets: dict[int, int] = {}
    for number in sorted(buffers, key=lambda each: (-buffers[each].size, each)):
        buffer = buffers[number]
        at = 0
        for other in sorted(offsets, key=offsets.__getitem__):
            apart = buffers[other].dies < buffer.born or buffer.dies < buffers[other].born
            if not apart and offsets[other] < at + buffer.size and at < offsets[other] + buffers[other].size:
                at = offsets[other] + buffers[other].size
        offsets[number] = at
    return offsets, max((offsets[each] + buffers[each].size for each in buffers), default=0)
