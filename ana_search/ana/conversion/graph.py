"""A graph made ready for quantisers: maps are modules, nothing works in place on a value that is read again."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ana_search.ana.conversion.roles import role_of, works_in_place

__all__ = ["first_input", "free_name", "function_of", "maps_as_modules", "out_of_place"]

_OUT_OF_PLACE: Mapping[Any, Any] = {
    operator.iadd: operator.add,
    operator.imul: operator.mul,
    "add_": "add",
    "mul_": "mul",
}
_CONVOLUTIONS = {
    functional.conv1d: nn.Conv1d,
    functional.conv2d: nn.Conv2d,
    functional.conv3d: nn.Conv3d,
    torch.conv1d: nn.Conv1d,
    torch.conv2d: nn.Conv2d,
    torch.conv3d: nn.Conv3d,
}
_CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_LINEAR = ("input", "weight", "bias")


def first_input(node: fx.Node) -> Any:
    """Return the first argument of a call, whether it has a name or not."""
    return node.args[0] if node.args else next(iter(node.kwargs.values()), None)


@dataclass(frozen=True)
class _Call:
    """A call of a function on one tensor, with all its other arguments."""

    target: Callable[..., Tensor]
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]

    def __call__(self, x: Tensor) -> Tensor:
        return self.target(x, *self.arguments, **self.named)


def function_of(node: fx.Node) -> Callable[[Tensor], Tensor] | None:
    """Return what a call does to its first argument; ``None`` for a module, and where others are computed values."""
    if node.op == "call_module" or len(node.all_input_nodes) != 1 or not node.args:
        return None
    if isinstance(node.target, str):
        return operator.methodcaller(node.target, *node.args[1:], **node.kwargs)
    return _Call(node.target, node.args[1:], dict(node.kwargs))


def free_name(network: nn.Module, taken: set[str], name: str) -> str:
    """Return ``name``, or with the first number that makes it one of no module, and take it."""
    existing = {each for each, _ in network.named_modules(remove_duplicate=False)}
    found, count = name, 2
    while found in taken or found in existing:
        found, count = f"{name}_{count}", count + 1
    taken.add(found)
    return found


def maps_as_modules(network: nn.Module, graph: fx.Graph) -> bool:
    """Turn calls like ``F.conv2d(x, self.weight)`` into calls of modules with these parameters; say if there were any.

    The parameters stay the very same objects. A weight that is computed stays as it is, and with it its map.
    """
    made: dict[tuple[Any, ...], str] = {}
    for node in list(graph.nodes):
        if node.op != "call_function" or role_of(node, network) != "map":
            continue
        names = _CONVOLUTION if node.target in _CONVOLUTIONS else _LINEAR
        settings = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
        if not all(_is_parameter(network, settings.get(each)) for each in ("weight", "bias")):
            continue
        name = _module_for(network, node, settings, made)
        with graph.inserting_before(node):
            call = graph.call_module(name, (settings["input"],))
        call.meta = dict(node.meta)
        node.replace_all_uses_with(call)
        graph.erase_node(node)
        for each in ("weight", "bias"):
            attribute = settings.get(each)
            if isinstance(attribute, fx.Node) and not attribute.users:
                graph.erase_node(attribute)
    return bool(made)


def _is_parameter(network: nn.Module, value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, fx.Node) or value.op != "get_attr":
        return False
    owner, _, name = str(value.target).rpartition(".")
    return name in network.get_submodule(owner)._parameters


def _module_for(network: nn.Module, node: fx.Node, settings: dict[str, Any], made: dict[tuple[Any, ...], str]) -> str:
    """Return the name of a module that computes the call, made of its parameters."""
    rest = {key: value for key, value in settings.items() if key not in ("input", "weight", "bias")}
    weight, bias = (None if settings.get(k) is None else str(settings[k].target) for k in ("weight", "bias"))
    key = (node.target, weight, bias, tuple(sorted((k, str(v)) for k, v in rest.items())))
    if key not in made:
        assert weight is not None
        owner = weight.rpartition(".")[0]
        module = _module(
            node, network.get_parameter(weight), None if bias is None else network.get_parameter(bias), rest
        )
        replaces_owner = owner and isinstance(network.get_submodule(owner), type(module))
        if replaces_owner and owner not in made.values():
            network.set_submodule(owner, module)
            made[key] = owner
        else:
            made[key] = free_name(network, set(), f"{weight.replace('.', '_')}_map")
            network.add_module(made[key], module)
    return made[key]


def _module(node: fx.Node, weight: nn.Parameter, bias: nn.Parameter | None, rest: dict[str, Any]) -> nn.Module:
    like: dict[str, Any] = {"bias": bias is not None, "device": "meta", "dtype": weight.dtype}
    if node.target in _CONVOLUTIONS:
        groups = rest.get("groups", 1)
        make: Any = _CONVOLUTIONS[node.target]
        module: nn.Module = make(weight.shape[1] * groups, weight.shape[0], tuple(weight.shape[2:]), **rest, **like)
    else:
        module = nn.Linear(weight.shape[1], weight.shape[0], **like)
    module.register_parameter("weight", weight)
    module.register_parameter("bias", bias)
    return module


def out_of_place(network: nn.Module, graph: fx.Graph) -> None:
    """Let what reads a value after it was changed in place read the result instead, and change nothing in place.

    Quantisers come between: the changed value and the result are no longer the same then.
    """
    order = {node: number for number, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if node.op not in ("call_module", "call_function", "call_method") or not works_in_place(node, network):
            continue
        changed = first_input(node)
        if isinstance(changed, fx.Node):
            later = [user for user in changed.users if order[user] > order[node]]
            for user in later:
                user.replace_input_with(changed, node)
        if node.op == "call_module":
            module = network.get_submodule(str(node.target))
            module.inplace = False  # type: ignore[assignment]  # PyTorch types what is set on a module as its tensors
        elif node.target in _OUT_OF_PLACE:
            node.target = _OUT_OF_PLACE[node.target]
