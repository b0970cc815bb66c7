"""Freezing: a trained network, operation by operation, as integers."""

import copy
import math
from collections import Counter
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from ana_search.ana import QuantActivation, StairFunction
from ana_search.ana.layers import QuantConv1d, QuantConv2d, QuantConv3d, QuantLinear
from ana_search.errors import ExportRequestError
from ana_search.export import operations as ops
from ana_search.export.frozen import FrozenNetwork, Step, layer_name
from ana_search.export.functions import apply_function
from ana_search.export.shortcut import Correction, SideFunction, long_stair
from ana_search.export.side_table import side_table
from ana_search.export.thresholds import decreasing_channels, find_thresholds
from ana_search.export.values import Codes, Pending, Real, is_function

__all__ = ["freeze"]

Value = Codes | Pending | Real
_CONVOLUTIONS = (QuantConv1d, QuantConv2d, QuantConv3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_LARGEST_TABLE = 2**17


class _Tracer(fx.Tracer):
    """Traces through everything but PyTorch's own modules and the quantised layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        quantised = isinstance(m, (*_CONVOLUTIONS, QuantLinear, QuantActivation))
        return quantised or super().is_leaf_module(m, module_qualified_name)


def freeze(network: nn.Module, table: Tensor, scale: float, input_shape: tuple[int, ...]) -> FrozenNetwork:
    """Return ``network``, as it evaluates, in integer arithmetic.

    ``table`` (int8 [C, 256]) and ``scale`` are the input's coding: a pixel p of channel c enters the network as
    ``table[c, p] * scale``. ``input_shape`` is (C, H, W). The network itself is left as it is.

    Raises:
        ExportRequestError: the network cannot be traced, or computes something that has no integer form.
    """
    network = copy.deepcopy(getattr(network, "_orig_mod", network)).cpu().eval()
    try:
        graph = _Tracer().trace(network)
        module = fx.GraphModule(network, graph)
        with torch.no_grad():
            ShapeProp(module).propagate(torch.zeros(2, *input_shape))
    except Exception as error:
        raise ExportRequestError(
            f"the network {type(network).__name__} cannot be exported: its forward pass cannot be traced ({error}); "
            "allowed is one tensor in, one out, and no branches on values"
        ) from error
    return Freezer(module, table, scale, input_shape).run()


class Freezer:
    """Walks the traced network once and collects the steps of the frozen one."""

    def __init__(self, module: fx.GraphModule, table: Tensor, scale: float, input_shape: tuple[int, ...]) -> None:
        self.module = module
        self.modules = dict(module.named_modules())
        self.table, self.scale, self.input_shape = table, scale, input_shape
        self.steps: list[Step] = []
        self.values: dict[fx.Node, Any] = {}
        self.calls: Counter[Any] = Counter()

    def run(self) -> FrozenNetwork:
        for node in self.module.graph.nodes:
            self.values[node] = self._value(node)
        return FrozenNetwork(self.steps, self.input_shape)

    def add(self, operation: nn.Module, *inputs: int, layer: str = "", low: int = 0, high: int = 0) -> int:
        """Append a step and return the number of its value."""
        self.steps.append(Step(operation, inputs, layer, low, high))
        return len(self.steps)

    def add_codes(
        self, operation: nn.Module, *inputs: int, scale: float, low: int, high: int, layer: str = ""
    ) -> Codes:
        """Append a step that gives codes."""
        return Codes(self.add(operation, *inputs, layer=layer, low=low, high=high), scale, low, high)

    def refuse(self, node: fx.Node, why: str) -> ExportRequestError:
        """Return the error for ``node``."""
        return ExportRequestError(f"the network cannot be exported: {node.op} {node.target} ({node.name}): {why}")

    def _value(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            low, high = int(self.table.min()), int(self.table.max())
            return self.add_codes(ops.InputTable(self.table), 0, scale=self.scale, low=low, high=high)
        if node.op == "output":
            return self._output(node)
        if node.op == "call_module":
            module = self.modules[str(node.target)]
            if len(node.all_input_nodes) != 1:
                raise self.refuse(node, f"a module must read one tensor, not {len(node.all_input_nodes)}")
            return self._module(node, module, self.values[node.all_input_nodes[0]])
        if node.op in ("call_function", "call_method"):
            return apply_function(self, node)
        raise self.refuse(node, "parameters outside layers have no integer form")

    def _module(self, node: fx.Node, module: nn.Module, value: Value) -> Value:
        if isinstance(module, (*_CONVOLUTIONS, QuantLinear)):
            return self._map(node, module, value)
        if isinstance(module, QuantActivation):
            return self.quantise(node, module.stair, value)
        if isinstance(module, nn.Identity | nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
            return value
        if isinstance(module, nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d):
            return self.max_pool(
                node, value, module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
            )
        if isinstance(
            module,
            nn.AvgPool1d
            | nn.AvgPool2d
            | nn.AvgPool3d
            | nn.AdaptiveAvgPool1d
            | nn.AdaptiveAvgPool2d
            | nn.AdaptiveAvgPool3d,
        ):
            return self.average(node, value, keep=True)
        if isinstance(module, nn.Flatten):
            return self.flatten(node, value)
        if isinstance(module, nn.Linear):
            if not isinstance(value, Codes):
                raise self.refuse(node, "a floating-point linear layer is exported only as the classifier, on codes")
            return Real(self.add(ops.Classifier(module.weight, module.bias, value.scale), value.index))
        if is_function(module):
            return self.pending(node, value).then(module)
        raise self.refuse(node, f"{type(module).__name__} has no integer form")

    def _map(self, node: fx.Node, module: Any, value: Value) -> Pending:
        if not isinstance(value, Codes):
            raise self.refuse(
                node, "a quantised map must read quantised values (is the map before it in floating point?)"
            )
        if not ops.is_dyadic(value.scale):
            raise self.refuse(
                node, f"its input has the scale {value.scale!r}, which floating point does not hold exactly"
            )
        stair: StairFunction = module.weight_stair
        self.check_levels(node, stair)
        weight = (module.quantised_weight().detach() / stair.quantum).round().to(torch.int64)
        if int(weight.abs().max()) > 127:
            raise self.refuse(node, f"weights up to {int(weight.abs().max())}; allowed are integers up to 127")
        low, high = ops.accumulator_range(weight, value.low, value.high)
        limit = int(torch.maximum(low.abs(), high.abs()).max())
        geometry = _geometry(module) if isinstance(module, _CONVOLUTIONS) else {}
        if geometry is None:
            raise self.refuse(
                node, f"padding {module.padding!r} of mode {module.padding_mode!r}; allowed are symmetric zeros"
            )

        def emit(negated: Tensor) -> int:
            signs = torch.where(negated, -1, 1).reshape(-1, *[1] * (weight.dim() - 1))
            return self.add(ops.IntegerMap(weight * signs, limit, **geometry), value.index, low=-limit, high=limit)

        pending = Pending(emit, value.scale * stair.quantum, low, high, max(2, weight.dim()))
        if module.bias is not None:
            bias = ops.over_channels(module.bias.detach(), pending.dimensions)
            pending = pending.then(lambda x: x + bias)
        return pending

    def pending(self, node: fx.Node, value: Value) -> Pending:
        """Return ``value`` as one that functions can be applied to."""
        if isinstance(value, Pending):
            return value
        if isinstance(value, Real):
            raise self.refuse(node, "it reads floating-point values")
        shape = self.shape(node)
        index = value.index

        def emit(negated: Tensor) -> int:
            return self.add(ops.Reflect(negated, 0), index, low=-bound, high=bound) if bool(negated.any()) else index

        bound = max(abs(value.low), abs(value.high))
        low, high = (torch.full((shape[1],), each, dtype=torch.int64) for each in (value.low, value.high))
        return Pending(emit, value.scale, low, high, len(shape))

    def check_levels(self, node: fx.Node, stair: StairFunction) -> Tensor:
        """Return the levels as int64 [n + 1]; refuse levels that are not integers of 8 bits."""
        levels = torch.tensor(stair.levels, dtype=torch.float64)
        if not torch.equal(levels, levels.round()) or levels[-1] - levels[0] > 255 or not ops.is_dyadic(stair.quantum):
            raise self.refuse(
                node,
                f"levels {stair.levels} and quantum {stair.quantum}; allowed are integers in 8 bits and a power of two",
            )
        return levels.to(torch.int64)

    def quantise(self, node: fx.Node, stair: StairFunction, value: Value) -> Codes:
        """Turn everything since the last map into thresholds."""
        levels = self.check_levels(node, stair)
        pending = self.pending(node, value)
        total = int(levels[0] + levels[-1])
        reflected = pending.falls_after_pool()
        if bool(reflected.any()) and not torch.equal(levels, (total - levels).flip(0)):
            raise self.refuse(
                node, f"a batch norm with negative factors after max-pooling needs symmetric levels, not {stair.levels}"
            )

        def code_of(accumulators: Tensor, side: Tensor | None = None) -> Tensor:
            codes = (stair(pending.evaluate(accumulators, side)) / stair.quantum).round().to(torch.int64)
            return torch.where(reflected.unsqueeze(1), total - codes, codes)

        low, high = int(levels[0]), int(levels[-1])
        self.calls[node.target] += 1
        name = layer_name(str(node.target), self.calls[node.target])
        last = not (pending.pools or bool(reflected.any()))
        if pending.side is None:
            decreasing = decreasing_channels(code_of, pending.low, pending.high)
            found = find_thresholds(code_of, levels, pending.low, pending.high, decreasing)
            inputs: tuple[int, ...] = (pending.emit(decreasing),)
            operation: nn.Module = ops.Thresholds(found, levels)
        else:
            operation, inputs = self._with_shortcut(node, pending, stair, code_of, levels)
        codes = self.add_codes(operation, *inputs, scale=stair.quantum, low=low, high=high, layer=name if last else "")
        for number, pool in enumerate(pending.pools):
            last = number == len(pending.pools) - 1 and not bool(reflected.any())
            codes = self.add_codes(pool, codes.index, scale=codes.scale, low=low, high=high, layer=name if last else "")
        if bool(reflected.any()):
            codes = self.add_codes(
                ops.Reflect(reflected, total), codes.index, scale=codes.scale, low=low, high=high, layer=name
            )
        return codes

    def _with_shortcut(
        self, node: fx.Node, pending: Pending, stair: StairFunction, code_of: SideFunction, levels: Tensor
    ) -> tuple[nn.Module, tuple[int, ...]]:
        """Return the last operation of a quantised sum, and what it reads."""
        side = pending.side
        assert side is not None
        found = long_stair(pending, side, stair, code_of)
        if found is None:
            entries = len(pending.low) * (side.high - side.low + 1) * (len(levels) - 1)
            if entries > _LARGEST_TABLE:
                raise self.refuse(
                    node,
                    f"a sum on another grid than its quantiser's needs {entries} thresholds; "
                    f"allowed are {_LARGEST_TABLE}",
                )
            table, decreasing = side_table(pending, side, code_of, levels)
            return ops.SideThresholds(table, levels, side.low), (pending.emit(decreasing), side.index)
        accumulator = pending.emit(found.decreasing)
        low, high = int(found.levels[0]), int(found.levels[-1])
        cut = self.add(ops.Thresholds(found.thresholds, found.levels), accumulator, low=low, high=high)
        low, high = low + found.factor * side.low, high + found.factor * side.high
        total = self.add(ops.Add(1, found.factor), cut, side.index, low=low, high=high)
        for correction in found.corrections:
            total = self._correct(total, accumulator, correction, low, high)
        if torch.equal(found.cuts, levels[1:]) and int(levels[0]) == int(levels[1]) - 1:
            return ops.Clamp(int(levels[0]), int(levels[-1])), (total,)
        return ops.Thresholds(found.cuts.expand(len(pending.low), -1), levels), (total,)

    def _correct(self, total: int, accumulator: int, correction: Correction, low: int, high: int) -> int:
        """Add 1 where the accumulator is one of the correction's and the sum one of its sums."""

        def difference(value: int, up: Tensor, down: Tensor) -> int:
            counts = [
                self.add(ops.Thresholds(each, torch.arange(each.shape[1] + 1)), value, high=each.shape[1])
                for each in (up, down)
                if each.shape[1]
            ]
            return counts[0] if len(counts) == 1 else self.add(ops.Add(1, -1), *counts, high=1)

        channels = len(correction.at)
        is_one = difference(accumulator, correction.at, correction.at + 1)
        rising, falling = (
            torch.tensor(each, dtype=torch.int64).expand(channels, -1)
            for each in (correction.rising, correction.falling)
        )
        applies = difference(total, rising, falling)
        both = self.add(ops.Multiply(), is_one, applies, high=1)
        return self.add(ops.Add(1, 1), total, both, low=low, high=high + 1)

    def max_pool(
        self, node: fx.Node, value: Value, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
    ) -> Value:
        """Pool codes at once; remember the pool of a value that has no codes yet."""
        rank = len(self.shape(node)) - 2
        kernel = _tuple(kernel, rank)
        pool = ops.MaxPool(
            kernel,
            kernel if stride in (None, []) else _tuple(stride, rank),
            _tuple(padding, rank),
            _tuple(dilation, rank),
            bool(ceil_mode),
        )
        if isinstance(value, Codes):
            return self.add_codes(pool, value.index, scale=value.scale, low=value.low, high=value.high)
        pending = self.pending(node, value)
        if pending.pools and pending.pooled_after != len(pending.functions):
            raise self.refuse(node, "a second max-pool after more functions, without a quantiser between them")
        return replace(pending, pools=(*pending.pools, pool), pooled_after=len(pending.functions))

    def average(self, node: fx.Node, value: Value, *, keep: bool) -> Codes:
        """Average codes over all positions."""
        before = self.shape(node.all_input_nodes[0])
        after = self.shape(node)
        positions = math.prod(before[2:])
        if not isinstance(value, Codes) or math.prod(after[2:]) != 1:
            raise self.refuse(node, "only averages of quantised values over all positions have an integer form")
        operation = ops.GlobalSum(keep)
        return self.add_codes(
            operation,
            value.index,
            scale=value.scale / positions,
            low=value.low * positions,
            high=value.high * positions,
        )

    def flatten(self, node: fx.Node, value: Value) -> Value:
        """Flatten everything but the batch."""
        shape = self.shape(node)
        if len(shape) != 2:
            raise self.refuse(node, f"only flattening to [N, features] has an integer form, not {tuple(shape)}")
        if self.shape(node.all_input_nodes[0]) == shape:
            return value
        if not isinstance(value, Codes):
            raise self.refuse(node, "flattening needs quantised values")
        return replace(value, index=self.add(ops.Flatten(), value.index, low=value.low, high=value.high))

    def shape(self, node: fx.Node) -> torch.Size:
        """Return the shape of a node's value, for a batch of 2."""
        shape = getattr(node.meta.get("tensor_meta"), "shape", None)
        if shape is None:
            raise self.refuse(node, "it is not a tensor")
        return torch.Size(shape)

    def _output(self, node: fx.Node) -> None:
        value = self.values.get(node.args[0]) if isinstance(node.args[0], fx.Node) else None
        if isinstance(value, Codes):
            value = self.pending(node.all_input_nodes[0], value)
        if isinstance(value, Pending):
            curved = [f for f in value.functions if isinstance(f, nn.Module) and not isinstance(f, _BATCH_NORMS)]
            if value.side is not None or value.pools or curved:
                raise self.refuse(node, "sums, pools and activations must be quantised before they leave the network")
            scale, offset = _affine(value)
            value = Real(
                self.add(ops.Rescale(scale, offset), value.emit(torch.zeros_like(value.low, dtype=torch.bool)))
            )
        if not isinstance(value, Real) or value.index != len(self.steps):
            raise self.refuse(node, "a network must return one tensor: its logits")


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    return (int(value),) * rank if isinstance(value, int) else tuple(int(each) for each in value)


def _geometry(module: Any) -> dict[str, Any] | None:
    padding = module.padding
    if padding == "valid":
        padding = (0,) * len(module.kernel_size)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        padding = None if any(each % 2 for each in total) else tuple(each // 2 for each in total)
    if padding is None or module.padding_mode != "zeros":
        return None
    return {"stride": module.stride, "padding": padding, "dilation": module.dilation, "groups": module.groups}


def _affine(value: Pending) -> tuple[Tensor, Tensor]:
    """Return scale and offset (float64 [C]) of a value that leaves the network without a quantiser."""
    exact = [copy.deepcopy(f).double() if isinstance(f, nn.Module) else f for f in value.functions]
    exactly = replace(value, functions=tuple(exact))
    at = [torch.full((len(value.low), 1), each) for each in (0, 1)]
    zero, one = (exactly.evaluate(each, dtype=torch.float64)[:, 0] for each in at)
    return one - zero, zero
