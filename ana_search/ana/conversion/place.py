"""Where quantisers go: one walk over a network's graph, in order of execution.

Every value that a quantised map reads must be codes. What is not (a projection, a linear bottleneck, an average, a sum,
a product) gets a quantiser where it is computed, so that all its readers see the same codes. Three values are left
alone since integers compute them exactly: what goes from a map to one quantiser through batch norm and max-pools, its
sum with codes, and codes that are added, multiplied or put side by side.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import fx, nn

from ana_search.ana.conversion import stairs
from ana_search.ana.conversion.floating import FloatPart
from ana_search.ana.conversion.graph import first_input, function_of
from ana_search.ana.conversion.known import Grid, Known, Site
from ana_search.ana.conversion.roles import Role, activation_of, role_of
from ana_search.ana.conversion.trace import scope
from ana_search.ana.stairs import StairFunction

__all__ = ["Placement"]

_NONE = Known("none")
_UNSETTLED = ("pending", "sum", "average", "wide")
_THROUGH: tuple[Role, ...] = ("same", "shape", "max_pool", "cat")


class Placement:
    """The walk. Afterwards the graph calls a quantiser at every one of ``sites``.

    Args:
        network: the network, whose modules the graph calls.
        graph: its graph, which is changed.
        layers: the number of the layer of each quantised map, by the map's name.
        activations: the stair of each layer's activations.
        last: the name of the map that stays in floating point and reads codes, or None.
        identities: names of modules that give back what they read, in evaluation.
        signed: whether stairs in the place of activation functions have negative levels (default: as the function).
    """

    def __init__(
        self,
        network: nn.Module,
        graph: fx.Graph,
        layers: dict[str, int],
        activations: Sequence[StairFunction],
        last: str | None,
        identities: frozenset[str],
        signed: bool | None = None,
    ) -> None:
        self._signed = signed
        self._identities = identities
        self.network, self.graph, self.layers, self.last = network, graph, layers, last
        self._stairs = activations
        self.sites: dict[fx.Node, Site] = {}
        self.floating: list[FloatPart] = []
        self.known: dict[fx.Node, Known] = {}
        self._roles = {node: self._role(node) for node in graph.nodes}

    def run(self) -> None:
        """Place all quantisers."""
        handlers: dict[Role, Callable[[fx.Node], None]] = {
            "map": self._map,
            "activation": self._activation,
            "norm": self._norm,
            "max_pool": self._max_pool,
            "average": self._average,
            "add": self._add,
            "multiply": self._multiply,
            "cat": self._cat,
            "same": self._same,
            "shape": self._shape,
            "unknown": self._unknown,
            "quantised_map": self._already_a_map,
            "quantiser": self._already_a_quantiser,
        }
        for node in list(self.graph.nodes):
            if node.op == "placeholder":
                self.known[node] = Known("codes", grid=Grid(fixed=True))
            elif node.op == "output":
                continue
            elif self._roles[node] == "size":
                self.known[node] = _NONE
            else:
                handlers[self._roles[node]](node)
                self._settle(node)

    def _role(self, node: fx.Node) -> Role:
        if node.op == "call_module" and node.target in self._identities:
            return "same"
        return role_of(node, self.network)

    def _is(self, value: Any, *states: str) -> bool:
        return isinstance(value, fx.Node) and self.known[value].state in states

    def _readers(self, node: fx.Node) -> list[fx.Node]:
        return [user for user in node.users if self._roles.get(user) != "size"]

    def _settle(self, node: fx.Node) -> None:
        """Quantise a value that has several readers, so that all read the same codes."""
        known = self.known.get(node)
        if known is None:  # a quantiser stands in its place
            return
        is_shared = known.state in _UNSETTLED and len(self._readers(node)) > 1
        if is_shared or (known.state == "sum" and not self._is_activated(node)):
            self._codes(node)

    def _is_activated(self, node: fx.Node) -> bool:
        """Return whether a quantiser takes the place of the function that reads the value."""
        readers = self._readers(node)
        while len(readers) == 1 and self._roles[readers[0]] == "same":
            readers = self._readers(readers[0])
        return (
            len(readers) == 1
            and self._roles[readers[0]] == "activation"
            and not activation_of(readers[0], self.network).kept
        )

    def _codes(self, node: fx.Node, *, wide: bool = False, average: bool = False) -> fx.Node:
        """Return the codes of a value, with a quantiser where it has none; ``wide`` codes and averages may do."""
        known = self.known[node]
        if known.state in ("codes", "float", "none"):
            return node
        if (known.state == "wide" and wide) or (known.state == "average" and average):
            return node
        stair = self._stair(known)
        if known.state in ("sum", "wide") and not self._is_read_by_a_map(node):
            stair = stairs.for_stream(self._stairs[known.layer])
        if known.side is not None and not self._fit(known.side, stair):
            # The sum is taken on the grid of what is added, and only then cut to the levels of its readers.
            node = self._insert(node, stairs.for_stream(stair, self.known[known.side].quantum))
        return self._insert(node, stair)

    def _stair(self, known: Known) -> StairFunction:
        stair = self._stairs[known.layer]
        return stairs.unsigned(stair) if known.is_positive else stairs.signed(stair)

    def _is_read_by_a_map(self, node: fx.Node) -> bool:
        """Return whether a quantised map reads the value itself, perhaps pooled, reshaped or beside others."""
        found, todo = set(), [node]
        while todo:
            for user in todo.pop().users:
                role = self._roles.get(user)
                if role == "map" and user.target in self.layers:
                    return True
                if role in _THROUGH and user not in found:
                    found.add(user)
                    todo.append(user)
        return False

    def _insert(self, node: fx.Node, stair: StairFunction, name: str = "") -> fx.Node:
        """Add a quantiser behind a value and let all that reads it, and was not looked at yet, read the codes."""
        known = self.known[node]
        with self.graph.inserting_after(node):
            call = self.graph.call_module("", (node,))
        for user in list(node.users):
            if user is not call and user not in self.known:
                user.replace_input_with(node, call)
        grid = self._grid(known)
        self.sites[call] = Site(call, stair, known.layer, name or f"{self._name(node)}_quantiser", grid)
        self.known[call] = self._after(known, stair, grid)
        self._roles[call] = "quantiser"
        return call

    def _grid(self, known: Known) -> Grid:
        """Return the grid of a value's quantiser: that of the codes that were added to it, or a new one."""
        side = None if known.side is None else self.known[known.side].grid
        return side or Grid()

    def _after(self, known: Known, stair: StairFunction, grid: Grid) -> Known:
        positive = stair.levels[0] >= 0
        return replace(known, state="codes", is_positive=positive, quantum=stair.quantum, side=None, grid=grid)

    def _on_one_grid(self, codes: list[Known]) -> None:
        """Let all that are added, or put side by side, have one scale."""
        grids = [each.grid for each in codes if each.grid is not None]
        for grid in grids[1:]:
            grid.join(grids[0])
        if len(grids) < len(codes):  # what has no grid of its own has no scale
            for grid in grids:
                grid.fix()

    def _name(self, node: fx.Node) -> str:
        if node.op == "call_module":
            return str(node.target)
        if node.op == "placeholder":
            return "input"
        what = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "value")
        return ".".join(filter(None, (scope(node), what.strip("_"))))

    def _fit(self, side: fx.Node, stair: StairFunction) -> bool:
        """Give codes that are added to what ``stair`` quantises a multiple of its quantum; say if they have one."""
        known, site = self.known[side], self.sites.get(side)
        if known.quantum is None or known.quantum >= stair.quantum:
            return True
        if site is None or site.replaces or len(self._readers(side)) > 1:
            return False
        site.stair = stairs.on_grid(site.stair, stair)
        self.known[side] = replace(known, quantum=site.stair.quantum)
        return True

    # Operations.

    def _map(self, node: fx.Node) -> None:
        value = first_input(node)
        if node.op != "call_module":
            self._unknown(node)
            return
        name = str(node.target)
        if name in self.layers:
            value = self._codes(value)
            before = self.known[value]
            self.known[node] = Known("pending", self.layers[name], before.depth + 1)
            return
        if name == self.last:
            self._codes(value, wide=True, average=True)
        self.known[node] = Known("float", self.known[value].layer)

    def _activation(self, node: fx.Node) -> None:
        value = first_input(node)
        if not self._is(value, "codes", "wide", "average", "pending", "sum", "real"):
            self.known[node] = self.known.get(value, _NONE) if isinstance(value, fx.Node) else _NONE
            return
        function = activation_of(node, self.network)
        if function.kept:
            value = self._codes(value) if self._is(value, "sum", "average") else value
        known = self.known[value]
        own = self._stairs[known.layer]
        stair = stairs.for_gate(own) if function.unit else stairs.for_function(own, function.signed, self._signed)
        name = self._name(node)
        if function.kept:
            self.known[node] = replace(known, state="pending")
            call = self._insert(node, stair, f"{name}_quantiser")
            if function.unit:
                self.sites[call].grid.fix()
            return
        if known.side is not None:
            self._fit(known.side, stair)
        with self.graph.inserting_after(node):
            call = self.graph.call_module("", (value,))
        node.replace_all_uses_with(call)
        replaces = name if node.op == "call_module" else ""
        grid = self._grid(known)
        if function.unit:
            grid.fix()
        self.sites[call] = Site(call, stair, known.layer, name, grid, replaces, function_of(node))
        self.known[call] = self._after(known, stair, grid)
        self._roles[call] = "quantiser"
        self.graph.erase_node(node)

    def _norm(self, node: fx.Node) -> None:
        value = first_input(node)
        if self._is(value, "sum", "average"):
            value = self._codes(value)
        known = self.known[value]
        state = known.state if known.state in ("float", "real") else "pending"
        self.known[node] = replace(known, state=state, is_positive=False, quantum=None)

    def _max_pool(self, node: fx.Node) -> None:
        value = first_input(node)
        self.known[node] = self.known[self._codes(value) if self._is(value, "sum") else value]

    def _average(self, node: fx.Node) -> None:
        known = self.known[self._codes(first_input(node), wide=True, average=True)]
        state = known.state if known.state in ("float", "none") else "average"
        self.known[node] = replace(known, state=state, quantum=None)

    def _same(self, node: fx.Node) -> None:
        self.known[node] = self.known[first_input(node)]

    def _shape(self, node: fx.Node) -> None:
        value = first_input(node)
        if not isinstance(value, fx.Node):
            self.known[node] = _NONE
        elif self._is(value, "pending", "sum"):
            self.known[node] = self.known[self._codes(value)]
        else:
            self.known[node] = self.known[value]

    def _add(self, node: fx.Node) -> None:
        terms = [each for each in (*node.args, *node.kwargs.values()) if isinstance(each, fx.Node)]
        tensors = [each for each in terms if self.known[each].state != "none"]
        if len(tensors) != 2 and not (len(tensors) == 1 and len(terms) == 1):
            self._unknown(node)
            return
        if len(tensors) == 1:
            self._offset(node, tensors[0])
            return
        if any(self._is(each, "float") for each in tensors):
            self.known[node] = Known("float")
            return
        main = self._main(tensors)
        others = [self._codes(each, wide=True) for each in tensors if each is not main]
        deepest = max((self.known[each] for each in tensors), key=lambda each: each.depth)
        if main is None:
            self._on_one_grid([self.known[each] for each in others])
            quanta = [self.known[each].quantum for each in others]
            quantum = None if None in quanta else min(each for each in quanta if each is not None)
            positive = all(self.known[each].is_positive for each in others)
            self.known[node] = replace(deepest, state="wide", quantum=quantum, is_positive=positive, side=None)
        else:
            known = replace(self.known[main], state="sum", side=others[0], is_positive=False)
            self.known[node] = replace(known, depth=deepest.depth)

    def _main(self, terms: list[fx.Node]) -> fx.Node | None:
        """Return the term of a sum that may stay as it is: the deepest of those on the way from a map."""
        pending = [each for each in terms if self._is(each, "pending")]
        if not pending or terms[0] is terms[-1]:
            return None
        return max(pending, key=lambda each: self.known[each].depth)

    def _offset(self, node: fx.Node, value: fx.Node) -> None:
        """A number that is added, or a factor: as in a batch norm."""
        if any(not isinstance(each, int | float | fx.Node) for each in node.args) or node.kwargs:
            self._unknown(node)
            return
        if self._is(value, "sum", "average"):
            value = self._codes(value)
        known = self.known[value]
        state = known.state if known.state in ("float", "real") else "pending"
        self.known[node] = replace(known, state=state, is_positive=False, quantum=None)

    def _multiply(self, node: fx.Node) -> None:
        terms = [each for each in (*node.args, *node.kwargs.values()) if isinstance(each, fx.Node)]
        tensors = [each for each in terms if self.known[each].state != "none"]
        if len(tensors) == 1 and len(terms) == 1:
            self._offset(node, tensors[0])
            return
        if len(tensors) != 2:
            self._unknown(node)
            return
        if any(self._is(each, "float") for each in tensors):
            self.known[node] = Known("float")
            return
        factors = [self.known[self._codes(each)] for each in tensors]
        deepest = max(factors, key=lambda each: each.depth)
        positive = all(each.is_positive for each in factors)
        for grid in (each.grid for each in factors if each.grid is not None):
            grid.fix()
        self.known[node] = replace(deepest, state="wide", quantum=None, is_positive=positive, grid=Grid(fixed=True))

    def _cat(self, node: fx.Node) -> None:
        items = first_input(node)
        if not isinstance(items, list | tuple) or not all(isinstance(each, fx.Node) for each in items):
            self._unknown(node)
            return
        if any(self._is(each, "float") for each in items):
            self.known[node] = Known("float")
            return
        parts = [self.known[self._codes(each, wide=True)] for each in items]
        self._on_one_grid(parts)
        deepest = max(parts, key=lambda each: each.depth)
        quanta = [each.quantum for each in parts if each.quantum is not None]
        self.known[node] = replace(
            deepest,
            state="wide" if any(each.state == "wide" for each in parts) else "codes",
            is_positive=all(each.is_positive for each in parts),
            quantum=min(quanta) if len(quanta) == len(parts) else None,
        )

    def _already_a_map(self, node: fx.Node) -> None:
        self.known[node] = replace(self.known[first_input(node)], state="pending", is_positive=False)

    def _already_a_quantiser(self, node: fx.Node) -> None:
        self.known[node] = replace(self.known[first_input(node)], state="codes", quantum=None, grid=Grid(fixed=True))

    def _unknown(self, node: fx.Node) -> None:
        """An operation without a quantised form: it computes on what it gets; its result is quantised if need be."""
        inputs = [self.known[each] for each in node.all_input_nodes if self.known[each].state != "none"]
        if not inputs:
            self.known[node] = _NONE
            return
        if all(each.state == "float" for each in inputs):
            self.known[node] = Known("float")
            return
        deepest = max(inputs, key=lambda each: each.depth)
        self.known[node] = Known("real", deepest.layer, deepest.depth)
        self.floating.append(self._float_part(node))

    def _float_part(self, node: fx.Node) -> FloatPart:
        if node.op == "call_module":
            kind = type(self.network.get_submodule(str(node.target))).__name__
            return FloatPart(str(node.target), kind, "it has no quantised form, and no integer form for an export")
        kind = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        if self._roles[node] == "map":
            reason = "a map on a computed weight is not quantised; use a module, or a parameter as the weight"
        else:
            reason = "it has no quantised form, and no integer form for an export"
        return FloatPart(scope(node), kind, reason)
