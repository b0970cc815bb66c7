"""Freezing quantised activations: everything since the last map becomes thresholds."""

import torch
from torch import Tensor

from ana_search.ana import QuantActivation, StairFunction
from ana_search.export.freeze.call import Call
from ana_search.export.freeze.maps import integer_levels
from ana_search.export.freeze.scaled import ScaledStair
from ana_search.export.freeze.shortcut import Correction, SideFunction, long_stair
from ana_search.export.freeze.side_table import side_table
from ana_search.export.freeze.thresholds import decreasing_channels, find_thresholds
from ana_search.export.freeze.values import Codes, Pending, Value
from ana_search.export.integer import operations as ops

__all__ = ["quantised_activation"]

_LARGEST_TABLE = 2**17


def quantised_activation(call: Call, value: Value, module: QuantActivation) -> Codes:
    """The thresholds of a stair, then the pools that came before it, then the reversal of falling channels."""
    stair = module.stair
    levels = integer_levels(call, stair)
    scaled = ScaledStair.of(module)
    pending = call.pending(value)
    _check_dip(call, pending, stair)
    total = int(levels[0] + levels[-1])
    reflected = pending.falls_after_pool()
    if bool(reflected.any()) and not torch.equal(levels, (total - levels).flip(0)):
        raise call.refuse(
            f"a batch norm with negative factors after max-pooling needs symmetric levels, not {stair.levels}"
        )

    def code_of(accumulators: Tensor, side: Tensor | None = None) -> Tensor:
        codes = scaled.codes(pending.evaluate(accumulators, side))
        return torch.where(reflected.unsqueeze(1), total - codes, codes)

    low, high = int(levels[0]), int(levels[-1])
    name = call.steps.next_layer(call.target)
    last = not (pending.pools or bool(reflected.any()))
    if pending.side is None:
        decreasing = decreasing_channels(code_of, pending.low, pending.high)
        found = find_thresholds(code_of, levels, pending.low, pending.high, decreasing)
        inputs: tuple[int, ...] = (pending.emit(decreasing),)
        operation: ops.Operation = ops.Thresholds(found, levels)
    else:
        operation, inputs = _with_shortcut(call, pending, scaled, code_of, levels)
    codes = call.steps.codes(operation, *inputs, scale=scaled.quantum, low=low, high=high, layer=name if last else "")
    for number, pool in enumerate(pending.pools):
        last = number == len(pending.pools) - 1 and not bool(reflected.any())
        codes = call.steps.codes(pool, codes.index, scale=codes.scale, low=low, high=high, layer=name if last else "")
    if bool(reflected.any()):
        operation = ops.Reflect(reflected, total)
        codes = call.steps.codes(operation, codes.index, scale=codes.scale, low=low, high=high, layer=name)
    return codes


def _check_dip(call: Call, pending: Pending, stair: StairFunction) -> None:
    """Refuse a function that dips below 0, unless the stair comes right behind it and is level there."""
    if pending.dips_at is None:
        return
    behind = pending.dips_at < len(pending.functions) - 1 or pending.pools or pending.side is not None
    if behind or stair.thresholds[0] <= 0:
        raise call.refuse(
            "a function that is not monotonic must be quantised at once, with levels that are not negative "
            f"(got {stair.levels}): use ReLU, or an unsigned stair"
        )


def _with_shortcut(
    call: Call, pending: Pending, scaled: ScaledStair, code_of: SideFunction, levels: Tensor
) -> tuple[ops.Operation, tuple[int, ...]]:
    """Return the last operation of a quantised sum, and what it reads."""
    side = pending.side
    assert side is not None
    found = long_stair(pending, side, scaled, code_of)
    if found is None:
        entries = len(pending.low) * (side.high - side.low + 1) * (len(levels) - 1)
        if entries > _LARGEST_TABLE:
            raise call.refuse(
                f"a sum on another grid than its quantiser's needs {entries} thresholds; allowed are {_LARGEST_TABLE}"
            )
        table, decreasing = side_table(pending, side, code_of, levels)
        return ops.SideThresholds(table, levels, side.low), (pending.emit(decreasing), side.index)
    accumulator = pending.emit(found.decreasing)
    low, high = int(found.levels[0]), int(found.levels[-1])
    cut = call.steps.add(ops.Thresholds(found.thresholds, found.levels), accumulator, low=low, high=high)
    low, high = low + found.factor * side.low, high + found.factor * side.high
    total = call.steps.add(ops.Add(1, found.factor), cut, side.index, low=low, high=high)
    for correction in found.corrections:
        total = _correct(call, total, accumulator, correction, low, high)
    if torch.equal(found.cuts, levels[1:]) and int(levels[0]) == int(levels[1]) - 1:
        return ops.Clamp(int(levels[0]), int(levels[-1])), (total,)
    return ops.Thresholds(found.cuts.expand(len(pending.low), -1), levels), (total,)


def _correct(call: Call, total: int, accumulator: int, correction: Correction, low: int, high: int) -> int:
    """Add 1 where the accumulator is one of the correction's and the sum one of its sums."""
    add = call.steps.add

    def difference(value: int, up: Tensor, down: Tensor) -> int:
        counts = [
            add(ops.Thresholds(each, torch.arange(each.shape[1] + 1)), value, high=each.shape[1])
            for each in (up, down)
            if each.shape[1]
        ]
        return counts[0] if len(counts) == 1 else add(ops.Add(1, -1), *counts, high=1)

    channels = len(correction.at)
    is_one = difference(accumulator, correction.at, correction.at + 1)
    rising, falling = (
        torch.tensor(each, dtype=torch.int64).expand(channels, -1) for each in (correction.rising, correction.falling)
    )
    both = add(ops.Multiply(), is_one, difference(total, rising, falling), high=1)
    return add(ops.Add(1, 1), total, both, low=low, high=high + 1)
