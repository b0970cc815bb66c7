"""Freezing the end of the network: its logits."""

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from ana_search.export.freeze.call import Call
from ana_search.export.freeze.values import Codes, Pending, Value
from ana_search.export.integer import operations as ops

__all__ = ["logits"]


def logits(call: Call, value: Value | None) -> None:
    """Check that the network ends in its logits; scale and shift integers that leave it without a quantiser."""
    if isinstance(value, Codes):
        value = call.pending(value)
    if isinstance(value, Pending):
        if value.side is not None or value.pools or not value.affine:
            raise call.refuse("sums, pools and activations must be quantised before they leave the network")
        scale, offset = _affine(value)
        index = call.steps.add(ops.Rescale(scale, offset), value.emit(torch.zeros_like(value.low, dtype=torch.bool)))
    else:
        index = -1 if value is None else value.index
    if index != len(call.steps.steps):
        raise call.refuse("a network must return one tensor: its logits")


def _affine(value: Pending) -> tuple[Tensor, Tensor]:
    """Return scale and offset (float64 [C]) of a value that leaves the network without a quantiser."""
    exact = [copy.deepcopy(f).double() if isinstance(f, nn.Module) else f for f in value.functions]
    exactly = replace(value, functions=tuple(exact))
    at = [torch.full((len(value.low), 1), each) for each in (0, 1)]
    zero, one = (exactly.evaluate(each, dtype=torch.float64)[:, 0] for each in at)
    return one - zero, zero
