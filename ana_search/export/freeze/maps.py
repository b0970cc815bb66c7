"""Freezing linear maps: quantised ones as integer maps, the classifier in floating point."""

from typing import Any

import torch
from torch import Tensor, nn

from ana_search.ana import StairFunction
from ana_search.ana.layers import QuantMap
from ana_search.export.freeze.call import Call
from ana_search.export.freeze.values import Codes, Pending, Real, Value
from ana_search.export.integer import operations as ops
from ana_search.export.integer.branches import PadSides

__all__ = ["classifier", "integer_levels", "quantised_map"]


def quantised_map(call: Call, value: Value, module: QuantMap) -> Pending:
    """A linear map or convolution with quantised weights, and its scale and bias as functions of the accumulators."""
    if not isinstance(value, Codes):
        raise call.refuse("a quantised map must read quantised values (is the map before it in floating point?)")
    if not ops.is_dyadic(value.scale):
        raise call.refuse(f"its input has the scale {value.scale!r}, which floating point does not hold exactly")
    stair: StairFunction = module.weight_stair
    integer_levels(call, stair)
    weight = (module.unscaled_weight() / stair.quantum).round().to(torch.int64)
    if int(weight.abs().max()) > 127:
        raise call.refuse(f"weights up to {int(weight.abs().max())}; allowed are integers up to 127")
    if weight.dim() != max(2, len(call.input_shape)):
        raise call.refuse(
            f"it reads values of shape {_without_batch(call.input_shape)}; "
            f"allowed are {'[features]' if weight.dim() == 2 else f'{weight.dim() - 1} dimensions'} an image"
        )
    low, high = ops.accumulator_range(weight, value.low, value.high)
    limit = int(torch.maximum(low.abs(), high.abs()).max())
    geometry = _geometry(call, module) if weight.dim() > 2 else {}
    before, after = geometry.pop("sides", ((), ()))
    if before:
        codes = call.steps.codes(
            PadSides(before, after), value.index, scale=value.scale, low=min(value.low, 0), high=max(value.high, 0)
        )
        value = codes
    index = value.index

    def emit(negated: Tensor) -> int:
        signs = torch.where(negated, -1, 1).reshape(-1, *[1] * (weight.dim() - 1))
        operation = ops.IntegerMap(weight * signs, limit, **geometry)
        return call.steps.add(operation, index, low=-limit, high=limit)

    pending = Pending(emit, value.scale * stair.quantum, low, high, weight.dim())
    if module.weight_quantiser.scale is not None:
        scale = module.weight_quantiser.scale.value
        factor = ops.over_channels(scale.expand(len(weight)), pending.dimensions)
        pending = pending.then(lambda x: x * factor, affine=True)
    bias = getattr(module, "bias", None)
    if bias is not None:
        added = ops.over_channels(bias.detach(), pending.dimensions)
        pending = pending.then(lambda x: x + added, affine=True)
    return pending


def classifier(call: Call, value: Value, module: nn.Linear) -> Real:
    """The floating-point linear map that ends the network."""
    if not isinstance(value, Codes):
        raise call.refuse("a floating-point linear layer is exported only as the classifier, on codes")
    if len(call.input_shape) != 2:
        raise call.refuse(f"it reads values of shape {_without_batch(call.input_shape)}; allowed are [features]")
    return Real(call.steps.add(ops.Classifier(module.weight, module.bias, value.scale), value.index))


def integer_levels(call: Call, stair: StairFunction) -> Tensor:
    """Return the levels as int64 [n + 1]; refuse levels that are not integers of 8 bits."""
    levels = torch.tensor(stair.levels, dtype=torch.float64)
    if not torch.equal(levels, levels.round()) or levels[-1] - levels[0] > 255 or not ops.is_dyadic(stair.quantum):
        raise call.refuse(
            f"levels {stair.levels} and quantum {stair.quantum}; allowed are integers in 8 bits and a power of two"
        )
    return levels.to(torch.int64)


def _without_batch(shape: torch.Size) -> list[int]:
    return list(shape[1:])


def _geometry(call: Call, module: Any) -> dict[str, Any]:
    padding = module.padding
    sides: tuple[tuple[int, ...], tuple[int, ...]] = (), ()
    if padding == "valid":
        padding = (0,) * len(module.kernel_size)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        padding = tuple(each // 2 for each in total)
        if any(each % 2 for each in total):  # what is left over goes behind
            sides = padding, tuple(each - each // 2 for each in total)
            padding = (0,) * len(total)
    if module.padding_mode != "zeros" and (any(padding) or sides[0]):
        raise call.refuse(f"padding {module.padding!r} of mode {module.padding_mode!r}; allowed are zeros")
    found = {"stride": module.stride, "padding": padding, "dilation": module.dilation, "groups": module.groups}
    return {**found, "sides": sides}
