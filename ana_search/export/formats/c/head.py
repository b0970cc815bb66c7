"""The floating-point head in integers: weights and offsets times one power of two, rounded."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ana_search.errors import ExportRequestError
from ana_search.export.integer import FrozenNetwork
from ana_search.export.integer import operations as ops

__all__ = ["IntegerHead", "integer_head"]

_BITS = (16, 32)


@dataclass(frozen=True)
class IntegerHead:
    """``weight @ codes + bias`` (``weight`` [classes, features]) or, by channel, ``weight * codes + bias`` ([classes]).

    The scores are the logits times ``2**shift``, rounded; ``bits`` hold the weights and ``score_bits`` every sum.
    """

    weight: NDArray[np.int64]
    bias: NDArray[np.int64]
    shift: int
    bits: int
    score_bits: int


@torch.no_grad()
def integer_head(frozen: FrozenNetwork, pixels: Tensor | None) -> IntegerHead:
    """Return the head of a network in the fewest bits, 16 or 32, with which no prediction on ``pixels`` changes."""
    step = frozen.steps[-1]
    operation = step.operation
    before = frozen.steps[step.inputs[0] - 1]
    if type(operation) is ops.Classifier:
        weight = operation.weight.double().numpy() * operation.scale
        bias = operation.bias.double().numpy()
    elif not isinstance(operation, ops.Rescale) or isinstance(before.operation, ops.Classifier):
        raise ExportRequestError(
            f"C has no loop for {type(operation).__name__} behind the classifier; export with --format onnx"
        )
    else:
        weight, bias = operation.scale.numpy(), operation.offset.numpy()
    reach = max(abs(before.low), abs(before.high))
    values = [frozen.run(part) for part in torch.split(pixels, 64)] if pixels is not None else []
    for bits in _BITS:
        head = _rounded(weight, bias, reach, bits)
        if all(_agrees(head, value[step.inputs[0]].numpy(), value[-1].numpy()) for value in values):
            break
    return head


def _rounded(weight: NDArray[np.float64], bias: NDArray[np.float64], reach: int, bits: int) -> IntegerHead:
    largest = max(float(np.abs(weight).max(initial=0)), 2.0**-60)
    shift = int(np.floor(np.log2((2 ** (bits - 1) - 1) / largest)))
    factors, offsets = (np.rint(each * 2.0**shift).astype(np.int64) for each in (weight, bias))
    sums = np.abs(factors).sum(axis=1) if factors.ndim == 2 else np.abs(factors)
    limit = int((sums * reach + np.abs(offsets)).max(initial=0))
    if limit >= 2**62:
        raise ExportRequestError(f"the classifier's sums may reach {limit}; allowed in C are integers of 64 bits")
    return IntegerHead(factors, offsets, shift, bits, 32 if limit < 2**31 else 64)


def _agrees(head: IntegerHead, codes: NDArray[np.float32], logits: NDArray[np.float32]) -> bool:
    flat = np.rint(codes).astype(np.int64).reshape(len(codes), -1)
    scores = flat @ head.weight.T if head.weight.ndim == 2 else flat * head.weight
    return np.array_equal((scores + head.bias).argmax(axis=1), logits.reshape(len(logits), -1).argmax(axis=1))
