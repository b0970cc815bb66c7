"""Converting a network by its graph, or module by module where it has none."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import fx, nn

from ana_search.ana.conversion.by_module import activations_by_registration
from ana_search.ana.conversion.floating import FloatPart, remember, warn
from ana_search.ana.conversion.graph import free_name, maps_as_modules, out_of_place
from ana_search.ana.conversion.known import Grid, Site
from ana_search.ana.conversion.place import Placement
from ana_search.ana.conversion.prepare import plain_copy
from ana_search.ana.conversion.roles import is_converted, map_type, role_of, works_in_place
from ana_search.ana.conversion.trace import Traced, trace
from ana_search.ana.layers import (
    QuantActivation,
    QuantConv1d,
    QuantConv2d,
    QuantConv3d,
    QuantLinear,
    QuantMap,
)
from ana_search.ana.stairs import StairFunction
from ana_search.errors import NetworkError

__all__ = ["convert"]

Pairs = Sequence[tuple[StairFunction, StairFunction]]

_QUANTISED: dict[type[nn.Module], Any] = {
    nn.Linear: QuantLinear,
    nn.Conv1d: QuantConv1d,
    nn.Conv2d: QuantConv2d,
    nn.Conv3d: QuantConv3d,
}


def convert(
    module: nn.Module,
    pairs: Pairs,
    *,
    one_pair: bool,
    keep_first: bool,
    keep_last: bool,
    example: Any,
    signed: bool | None = None,
) -> nn.Module:
    """Return a quantised copy of ``module``; its weights are those of ``module``.

    Args:
        module: the network.
        pairs: the stairs of weights and activations of every layer, or one pair for all of them.
        one_pair: whether it is one for all.
        keep_first: leave the first map in floating point.
        keep_last: leave the last map in floating point.
        example: an input, for lazy modules.
        signed: whether activations have negative levels (default: as the function that they replace).

    Raises:
        NetworkError: nothing to quantise, or not one pair a layer.
    """
    network, floating = plain_copy(module, example)
    traced: Traced | None = None
    if map_type(network) is None:  # a map alone is replaced as a whole
        try:
            traced = trace(network, is_converted)
        except (Exception, SystemExit) as error:  # whatever its code raises for a value that is not known yet
            floating.append(_untraced(network, error))
    changed = traced is not None and maps_as_modules(network, traced.graph)
    names = _map_names(network, traced)
    first, last = int(keep_first), len(names) - int(keep_last)
    layers = {name: number for number, name in enumerate(names[first:last])}
    if not layers:
        raise NetworkError(
            f"no linear map to quantise in {type(module).__name__}: it has {len(names)}, with "
            f"keep_first={keep_first} and keep_last={keep_last}"
        )
    chosen = list(pairs) * len(layers) if one_pair else list(pairs)
    if len(chosen) != len(layers):
        raise NetworkError(
            f"`layers` must hold one pair for each of the {len(layers)} quantised layers, got {len(chosen)}"
        )
    floating += [_asked(network, name, "keep_first") for name in names[:first]]
    stairs = [pair[1] for pair in chosen]
    if traced is None:
        made = activations_by_registration(network, layers, stairs, signed)
        converted = _with_modules(network, {**made, **_quantised_maps(network, layers, chosen)})
    else:
        if not traced.same_in_training:
            floating.append(_only_in_training(network))
        last_map = names[-1] if keep_last else None
        converted, more = _by_graph(network, traced, layers, chosen, last_map, changed, signed)
        floating += more
    floating += [_asked(network, name, "keep_last") for name in names[last:]]
    remember(converted, floating)
    warn(floating, stacklevel=3)
    return converted


def _by_graph(
    network: nn.Module,
    traced: Traced,
    layers: dict[str, int],
    pairs: Pairs,
    last: str | None,
    changed: bool,
    signed: bool | None,
) -> tuple[nn.Module, list[FloatPart]]:
    graph = traced.graph
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    in_place = {node for node in graph.nodes if node.op != "call_module" and _is_in_place(node, network)}
    out_of_place(network, graph)
    placement = Placement(network, graph, layers, [pair[1] for pair in pairs], last, traced.identities, signed)
    placement.run()
    sites = placement.sites
    on_codes = any(placement.known[each].state == "codes" for node in in_place for each in node.all_input_nodes[:1])
    same_code = traced.same_in_training and not changed and not on_codes
    same_code = same_code and all(site.replaces and calls[site.replaces] == 1 for site in sites.values())
    maps = _quantised_maps(network, layers, pairs)
    made = _quantisers(network, graph, sites)
    modules = {**maps, **made}
    if same_code:
        return _with_modules(network, modules), placement.floating
    return _with_graph(network, graph, modules), placement.floating


def _is_in_place(node: fx.Node, network: nn.Module) -> bool:
    return node.op in ("call_function", "call_method") and works_in_place(node, network)


def _map_names(network: nn.Module, traced: Traced | None) -> list[str]:
    """Return the names of all maps, in order of execution where that is known."""
    if traced is None:
        return [name for name, part in network.named_modules() if map_type(part) is not None]
    calls = (node for node in traced.graph.nodes if node.op == "call_module" and role_of(node, network) == "map")
    return list(dict.fromkeys(str(node.target) for node in calls))


def _quantised_maps(network: nn.Module, layers: dict[str, int], pairs: Pairs) -> dict[str, nn.Module]:
    """Return the quantised maps by name. They have the very parameters of the network: what is tied stays tied."""
    made: dict[str, nn.Module] = {}
    for name, layer in layers.items():
        old = network.get_submodule(name)
        kind = map_type(old)
        assert kind is not None
        new: QuantMap = _QUANTISED[kind].from_float(old, pairs[layer][0])
        for each, parameter in old.named_parameters(recurse=False):
            new.register_parameter(each, parameter)
        new.position = (layer, 0)
        made[name] = new
    return made


def _quantisers(network: nn.Module, graph: fx.Graph, sites: dict[fx.Node, Site]) -> dict[str, nn.Module]:
    """Return the quantisers by name, and let the graph call them."""
    still_called = {str(node.target) for node in graph.nodes if node.op == "call_module" and node not in sites}
    made: dict[str, nn.Module] = {}
    taken: set[str] = set()
    grids: dict[Grid, int] = {}
    for order, node in enumerate(graph.nodes):
        if node not in sites:
            continue
        site = sites[node]
        name = site.wanted_name
        if not site.replaces or site.replaces in still_called or name in taken:
            name = free_name(network, taken, name)
        taken.add(name)
        old = network.get_submodule(site.replaces) if site.replaces else network
        new = QuantActivation(site.stair).train(old.training)
        new.position = (site.layer, order)
        new.grid = None if site.grid.fixed else grids.setdefault(site.grid.root, len(grids))
        new.replaces = old.forward if site.replaces else site.function
        node.target = name
        made[name] = new
    return made


def _with_modules(network: nn.Module, modules: dict[str, nn.Module]) -> nn.Module:
    """Return the network with modules in every place of the old ones, also of one that is used in several."""
    replaced = {network.get_submodule(name): new for name, new in modules.items()}
    if network in replaced:
        return replaced[network]
    for parent in list(network.modules()):
        for name, child in list(parent._modules.items()):  # `named_children` leaves out repetitions
            if child is not None and child in replaced:
                setattr(parent, name, replaced[child])
    return network


def _with_graph(network: nn.Module, graph: fx.Graph, modules: dict[str, nn.Module]) -> nn.Module:
    """Return a module that computes the graph; parts that nothing calls are left out."""
    modes = {name: part.training for name, part in network.named_modules()}
    for name, new in modules.items():
        _put(network, name, new)
    graph.lint()
    made = fx.GraphModule(network, graph, type(network).__name__)
    for name, part in made.named_modules():
        part.training = modes.get(name, network.training) if name not in modules else part.training
    return made


def _put(network: nn.Module, name: str, new: nn.Module) -> None:
    """Set a submodule; the modules around it exist."""
    owner, _, last = name.rpartition(".")
    network.get_submodule(owner).add_module(last, new)


def _untraced(network: nn.Module, error: BaseException) -> FloatPart:
    why = " ".join(str(error).split())[:200]
    return FloatPart(
        "",
        type(network).__name__,
        f"its forward pass has no graph ({why}), so that modules were replaced in order of registration; calls of "
        "functions are not quantised, and activations have no scales that are learned or fitted: use modules, and no "
        "branches on values",
    )


def _only_in_training(network: nn.Module) -> FloatPart:
    reason = "what it does in training alone (other outputs, noise) is left out: it trains as it evaluates"
    return FloatPart("", type(network).__name__, reason)


def _asked(network: nn.Module, name: str, argument: str) -> FloatPart:
    return FloatPart(name, type(network.get_submodule(name)).__name__, f"{argument}=True", asked=True)
