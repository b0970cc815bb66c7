"""Tracing a network, and refusing what no later step could see: other batches, other precisions, broken numbers."""

from typing import Any

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from ana_search.ana import QuantActivation
from ana_search.ana.conversion.trace import PartsTracer
from ana_search.ana.layers import QuantMap
from ana_search.errors import ExportRequestError

__all__ = ["batch_shape", "trace"]

_BATCHES = (3, 2)  # the last one's shapes are kept


class _Tracer(PartsTracer):
    """Traces through everything but PyTorch's own modules and the quantised layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, QuantMap | QuantActivation) or super().is_leaf_module(m, module_qualified_name)


def trace(network: nn.Module, input_shape: tuple[int, ...]) -> fx.GraphModule:
    """Return the graph of ``network`` in evaluation mode, with the shape of every value.

    Raises:
        ExportRequestError: the network cannot be traced, mixes the images of a batch, computes in another precision
            than float32, or has parameters that are not finite.
    """
    broken = [
        name
        for name, value in (*network.named_parameters(), *network.named_buffers())
        if value.is_floating_point() and not bool(value.isfinite().all())
    ]
    if broken:
        raise ExportRequestError(
            f"the network {type(network).__name__} cannot be exported: {broken[0]} holds NaN or infinite values"
        )
    try:
        module = fx.GraphModule(network, _Tracer().trace(network))
        shapes: list[dict[str, Any]] = []
        with torch.no_grad():
            for batch in _BATCHES:
                ShapeProp(module).propagate(torch.zeros(batch, *input_shape))
                shapes.append({node.name: node.meta.get("tensor_meta") for node in module.graph.nodes})
    except Exception as error:
        raise ExportRequestError(
            f"the network {type(network).__name__} cannot be exported: its forward pass cannot be traced ({error}); "
            "allowed is one tensor in, one out, any number of images, and no branches on values"
        ) from error
    for node in module.graph.nodes:
        _check(node, [each[node.name] for each in shapes])
    return module


def batch_shape(node: fx.Node) -> torch.Size | None:
    """Return the shape of a node's value; None for one that is not a tensor."""
    shape = getattr(node.meta.get("tensor_meta"), "shape", None)
    return None if shape is None else torch.Size(shape)


def _check(node: fx.Node, found: list[Any]) -> None:
    if node.op == "get_attr" or not all(hasattr(each, "shape") for each in found):
        return
    shapes = [each.shape for each in found]
    where = f"the network cannot be exported: {node.target} ({node.name})"
    if any(tuple(shape) != (batch, *shapes[0][1:]) for shape, batch in zip(shapes, _BATCHES, strict=True)):
        raise ExportRequestError(
            f"{where}: it gives {list(shapes[-1])} for a batch of {_BATCHES[-1]}; allowed is one result an image, "
            "whatever the batch"
        )
    if found[-1].dtype != torch.float32:
        raise ExportRequestError(f"{where}: it computes in {found[-1].dtype}; allowed is torch.float32")
