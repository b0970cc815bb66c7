"""The graph of a network that holds in training and in evaluation alike."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from ana_search.ana.layers import QuantActivation, QuantMap

__all__ = ["PartsTracer", "Traced", "has_own_forward", "scope", "trace"]

_DROPOUTS: dict[Any, type[nn.Module]] = {
    functional.dropout: nn.Dropout,
    functional.dropout1d: nn.Dropout1d,
    functional.dropout2d: nn.Dropout2d,
    functional.dropout3d: nn.Dropout3d,
    functional.alpha_dropout: nn.AlphaDropout,
    functional.feature_alpha_dropout: nn.FeatureAlphaDropout,
}


@dataclass(frozen=True)
class Traced:
    """A graph, and whether the network does the same in training and in evaluation.

    ``identities`` are the modules in it that give back what they read, in evaluation.
    """

    graph: fx.Graph
    same_in_training: bool
    identities: frozenset[str] = frozenset()


def has_own_forward(module: nn.Module) -> bool:
    """Return whether a subclass of one of PyTorch's modules overrides its forward pass."""
    theirs: Any = next((each for each in type(module).__mro__ if each.__module__.startswith("torch.nn.")), nn.Module)
    return type(module).forward is not theirs.forward


class PartsTracer(fx.Tracer):
    """A tracer that knows how many parts ``x.chunk(n)`` has, so that they may be looped over."""

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        """Return the parts of a value, where their number is known."""
        node = obj.node
        if node.target in (torch.chunk, "chunk"):
            count = node.kwargs.get("chunks", node.args[1] if len(node.args) > 1 else None)
            if isinstance(count, int):
                part: Any = obj
                return iter([part[number] for number in range(count)])
        return super().iter(obj)


class _Tracer(PartsTracer):
    """Traces through everything but PyTorch's own modules, subclasses that compute the same, and chosen ones."""

    def __init__(self, leaves: set[str]) -> None:
        super().__init__()
        self._leaves = leaves

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, QuantMap | QuantActivation) or module_qualified_name in self._leaves:
            return True
        if isinstance(m, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            return False
        is_theirs = any(
            each.__module__.startswith("torch.nn.modules") for each in type(m).__mro__[:-1] if each is not nn.Module
        )
        return is_theirs and not has_own_forward(m)


def trace(network: nn.Module, is_converted: Callable[[nn.Module], bool]) -> Traced:
    """Return the graph of ``network``, whose modules are looked up by the names in it.

    A module that does something else in training than in evaluation, like stochastic depth, is left as a whole if
    nothing in it ``is_converted``. Where the network itself differs, its graph is that of evaluation.

    Raises:
        Exception: the network cannot be traced; whatever its code raises for a value that is not known yet.
    """
    leaves: set[str] = set()
    while True:
        with _mode(network, True):
            training = _graph(network, leaves)
        with _mode(network, False):
            evaluation = _graph(network, leaves)
        differing, dropouts = _compare(training, evaluation)
        if not differing:
            for node in dropouts:
                _as_module(network, training, node)
            return Traced(
                training, True, frozenset(name for name in leaves if _is_identity(network.get_submodule(name)))
            )
        new = _leaf(network, differing, is_converted)
        if new is None or new in leaves:
            return Traced(evaluation, False)
        leaves.add(new)


def scope(node: fx.Node) -> str:
    """Return the name of the module whose forward pass makes the call."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    names = [str(each[0]) for each in stack]
    if node.op == "call_module" and names and names[-1] == node.target:
        names.pop()
    return names[-1] if names else ""


def _is_identity(module: nn.Module) -> bool:
    """Return whether a module without parameters gives back what it reads, in evaluation; tried out."""
    if any(True for _ in module.parameters()):
        return False
    tried = torch.randn(2, 4, 4, 4, device="cpu")
    with _mode(module, False), torch.no_grad():
        try:
            return torch.equal(module(tried), tried)
        except Exception:  # whatever its code raises for such an input
            return False


@contextmanager
def _mode(network: nn.Module, training: bool) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    try:
        network.train(training)
        yield
    finally:
        for module, was in modes:
            module.training = was


def _graph(network: nn.Module, leaves: set[str]) -> fx.Graph:
    return _Tracer(leaves).trace(network)


def _compare(training: fx.Graph, evaluation: fx.Graph) -> tuple[list[fx.Node], list[fx.Node]]:
    """Return the first nodes that differ, one a graph, and the calls of dropout with ``training=self.training``.

    Those are no difference: they become modules, which know whether they are training.
    """
    pairs = list(zip(training.nodes, evaluation.nodes, strict=False))
    number = {node: index for graph in (training, evaluation) for index, node in enumerate(graph.nodes)}
    dropouts: list[fx.Node] = []
    for one, other in pairs:
        if one.op != other.op or one.target != other.target:
            return [one, other], []
        first, second = (fx.node.map_arg((n.args, n.kwargs), lambda each: f"%{number[each]}") for n in (one, other))
        if first == second:
            continue
        if one.target not in _DROPOUTS or not _differ_in_training(one, other):
            return [one, other], []
        dropouts.append(one)
    if len(training.nodes) != len(evaluation.nodes):
        longer = max(training, evaluation, key=lambda graph: len(graph.nodes))
        return [list(longer.nodes)[len(pairs)]], []
    return [], dropouts


def _differ_in_training(one: fx.Node, other: fx.Node) -> bool:
    """Return whether two calls of dropout are alike but for ``training``."""
    first, second = _dropout_settings(one), _dropout_settings(other)
    return first["training"] is True and second["training"] is False and first["p"] == second["p"]


def _dropout_settings(node: fx.Node) -> dict[str, Any]:
    settings = dict(zip(("p", "training", "inplace"), node.args[1:], strict=False)) | node.kwargs
    return {"p": 0.5, "training": True} | settings


def _as_module(root: nn.Module, graph: fx.Graph, node: fx.Node) -> None:
    """Replace a call of a dropout function by one of a module, which knows whether it is training."""
    name = "_".join(filter(None, (scope(node).replace(".", "_"), node.name)))
    root.add_module(name, _DROPOUTS[node.target](_dropout_settings(node)["p"]).train(root.training))
    source = node.args[0] if node.args else node.kwargs["input"]
    with graph.inserting_before(node):
        new = graph.call_module(name, (source,))
    new.meta = copy.copy(node.meta)
    node.replace_all_uses_with(new)
    graph.erase_node(node)


def _leaf(network: nn.Module, nodes: list[fx.Node], is_converted: Callable[[nn.Module], bool]) -> str | None:
    """Return the innermost module around the nodes in which nothing is converted."""
    found: list[str] = []
    for node in nodes:
        for each in node.meta.get("nn_module_stack", {}).values():
            name = str(each[0])
            if name and not any(map(is_converted, network.get_submodule(name).modules())):
                found.append(name)
    return max(found, key=lambda name: name.count("."), default=None)
