"""Freezing additions: of codes, or of a map's result and the codes of a shortcut."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from ana_search.export.freeze.call import Call
from ana_search.export.freeze.values import Codes, Pending, Real, Value
from ana_search.export.integer import operations as ops

__all__ = ["add", "add_in_place"]


def add(call: Call, left: Value, other: Any, *, alpha: float = 1) -> Codes | Pending:
    """``left + right`` of two values of one shape."""
    right = other
    if alpha != 1:
        raise call.refuse(f"alpha={alpha!r}; allowed is 1")
    for value, number in ((left, right), (right, left)):
        if isinstance(number, int | float) and isinstance(value, Codes | Pending):
            return call.pending(value).then(_plus(float(number)), affine=True)
    if not isinstance(right, Codes | Pending | Real) or not isinstance(left, Codes | Pending | Real):
        raise call.refuse(f"a sum with {right if isinstance(left, Codes | Pending | Real) else left!r}, not a tensor")
    if call.input_shape != call.other_shape:
        raise call.refuse("both terms must have one shape")
    if isinstance(left, Codes) and isinstance(right, Codes):
        scale = min(left.scale, right.scale)
        factors = left.scale / scale, right.scale / scale
        if any(factor != int(factor) for factor in factors):
            raise call.refuse(f"scales {left.scale} and {right.scale}; one must be a multiple of the other")
        a, b = (int(factor) for factor in factors)
        low, high = a * left.low + b * right.low, a * left.high + b * right.high
        return call.steps.codes(ops.Add(a, b), left.index, right.index, scale=scale, low=low, high=high)
    if isinstance(left, Codes):
        left, right = right, left
    if isinstance(left, Pending) and isinstance(right, Codes) and left.side is None and not left.pools:
        return replace(left, side=right, side_at=len(left.functions))
    raise call.refuse(
        "one term of a sum must be quantised: give the projection of a shortcut a quantised activation of its own"
    )


def _plus(number: float) -> Callable[[Tensor], Tensor]:
    return lambda x: x + number


def add_in_place(call: Call, left: Value, other: Any, *, alpha: float = 1) -> Codes | Pending:
    """``left += right``."""
    call.in_place(True)
    return add(call, left, other, alpha=alpha)
