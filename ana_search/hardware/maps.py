"""The linear maps of a quantised network: their weights, their multiply-adds, and whose codes they read.

What a map costs follows from these and from the bits of its layer, so that a network is built once for all trials that
differ in bits alone.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from ana_search.ana import FloatPartWarning, quantised_layers
from ana_search.ana.layers import QuantActivation, QuantMap
from ana_search.data import dataset_info
from ana_search.errors import NetworkError
from ana_search.plan import TrainingPlan
from ana_search.training import network_of

__all__ = ["FLOAT_BITS", "INPUT", "LinearMap", "linear_maps"]

FLOAT_BITS = 32
INPUT = -1
"""In `LinearMap.reads`: the network's input."""

_MAPS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class LinearMap:
    """One linear map.

    Attributes:
        name: of its module.
        layer: the number of the quantised layer whose weights it has; ``None`` where they are in floating point.
        weights: how many.
        biases: how many that stay in floating point; those of a quantised map become part of its thresholds.
        multiply_adds: for one example, the multiplications with padding and with weights of 0 among them.
        reads: the layers whose activations' codes it is multiplied with, or `INPUT`; empty for numbers in floating
            point.
    """

    name: str
    layer: int | None
    weights: int
    biases: int
    multiply_adds: int
    reads: tuple[int, ...]


def linear_maps(plan: TrainingPlan) -> tuple[LinearMap, ...]:
    """Return the linear maps of a plan's network, in the order in which they are first called.

    The network is built and evaluated once, on one example of zeros on the CPU. Raises `NetworkError` or `DataError`
    where it cannot be built.
    """
    return _linear_maps(_Key(plan))


class _Key:
    """What of a plan the maps depend on: all but seed, training, and the values of bits and schedules."""

    def __init__(self, plan: TrainingPlan) -> None:
        self.plan = plan
        self._parts = (plan.network, plan.data.loaded, len(plan.layers))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts)


@lru_cache(maxsize=256)
def _linear_maps(key: _Key) -> tuple[LinearMap, ...]:
    shape, classes = dataset_info(key.plan.data)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FloatPartWarning)  # a dry run says what stays in floating point
        network = network_of(key.plan, shape, classes).eval()
    return _Watched(network).run(shape)


class _Watched:
    """A network whose maps and activations tell what passes through them.

    The output of every quantised activation is replaced by a leaf of the autograd graph. A map reads the codes of
    those leaves that its input has a gradient for: whatever pools, sums and reshapes lie between.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._leaves: list[tuple[int, Tensor]] = []
        self._calls: dict[nn.Module, list[tuple[Tensor, int]]] = {}
        layers = quantised_layers(network)
        self._layer_of_map: dict[nn.Module, int] = {layer.map: layer.index for layer in layers}
        self._layer_of_activation: dict[nn.Module, int] = {
            activation: layer.index for layer in layers for activation in layer.activations
        }

    def run(self, shape: tuple[int, ...]) -> tuple[LinearMap, ...]:
        """Evaluate one example; return the maps."""
        handles = [
            module.register_forward_hook(self._after_activation if isinstance(module, QuantActivation) else self._after)
            for module in self._network.modules()
            if isinstance(module, (QuantActivation, QuantMap, *_MAPS))
        ]
        try:
            with torch.enable_grad():
                example = self._leaf(INPUT, torch.zeros(1, *shape))
                try:
                    self._network(example)
                except (
                    Exception,
                    SystemExit,
                ) as error:  # the code of whoever wrote the network: anything may be raised
                    raise NetworkError(
                        f"a network of class {type(self._network).__name__} fails on one example of shape "
                        f"{list(shape)}: {type(error).__name__}: {error}"
                    ) from error
                return tuple(self._map(module, calls) for module, calls in self._calls.items())
        finally:
            for handle in handles:
                handle.remove()

    def _leaf(self, layer: int, value: Tensor) -> Tensor:
        leaf = value.detach().requires_grad_()
        self._leaves.append((layer, leaf))
        return leaf

    def _after_activation(self, module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        # An activation before the first map works on the input, and its codes are no finer than the input's.
        return self._leaf(self._layer_of_activation.get(module, INPUT), output)

    def _after(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        self._calls.setdefault(module, []).append((inputs[0], output.numel() * math.prod(weight.shape[1:])))

    def _map(self, module: nn.Module, calls: Sequence[tuple[Tensor, int]]) -> LinearMap:
        layer = self._layer_of_map.get(module)
        weight, bias = module.weight, module.bias
        assert isinstance(weight, Tensor)
        reads = {source for value, _ in calls for source in self._sources(value)}
        return LinearMap(
            name=next(name for name, one in self._network.named_modules() if one is module),
            layer=layer,
            weights=weight.numel(),
            biases=bias.numel() if layer is None and isinstance(bias, Tensor) else 0,
            multiply_adds=sum(count for _, count in calls),
            reads=tuple(sorted(reads)),
        )

    def _sources(self, value: Tensor) -> set[int]:
        """Return the layers whose codes a map's input is made of."""
        if not value.requires_grad:
            return set()
        leaves = [leaf for _, leaf in self._leaves]
        found = torch.autograd.grad(value.sum(), leaves, allow_unused=True, retain_graph=True)
        return {layer for (layer, _), gradient in zip(self._leaves, found, strict=True) if gradient is not None}
