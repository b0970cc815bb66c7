"""The order in which a trial's parameters are drawn, and which of them exist.

A key may exist only for some values of another: `CONDITIONS` holds them all. The keys are drawn in the order
of `SPACE_KEYS`, conditions before the keys that hang on them.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from ana_search.ana import SCHEDULES
from ana_search.space.layers import layer_count
from ana_search.study_file import SPACE_KEYS, Choice, Fixed, PerLayer, Range, StudySpec
from ana_search.study_file.parameters import Value

__all__ = ["CONDITIONS", "Draw", "is_conditional", "layer_values", "searched", "walk"]

Draw = Callable[[str, Choice | Range], Value]


@cache
def has_alpha(shape: str) -> bool:
    """Return whether the schedule shape has a power at all: a straight line has none."""
    values = {SCHEDULES[shape](0.37, 0.0, 1.0, alpha=alpha) for alpha in (0.5, 1.0, 2.0)}
    return len(values) > 1


CONDITIONS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "alpha": ("shape", lambda shape: shape == "power"),
    "power_law": ("shape", has_alpha),
    "backward_noise": ("backward", lambda backward: backward != "same"),
    "backward_spread": ("backward", lambda backward: backward != "same"),
    "backward_interval": ("backward", lambda backward: backward == "annealed"),
    "backward_alpha": ("backward", lambda backward: backward == "annealed"),
}


def searched(spec: StudySpec) -> dict[str, Choice | Range]:
    """Return the keys of ``[space]`` that trials differ in, in the order in which they are drawn."""
    parameters = spec.space.parameters
    found: dict[str, Choice | Range] = {}
    for name in SPACE_KEYS:
        parameter = parameters.get(name)
        if isinstance(parameter, (Choice, Range)):
            found[name] = parameter
    return found


def is_conditional(spec: StudySpec) -> bool:
    """Return whether some parameters exist only in some trials."""
    names = searched(spec)
    return any(name in names and condition in names for name, (condition, _) in CONDITIONS.items())


def walk(spec: StudySpec, draw: Draw) -> dict[str, Value]:
    """Return the parameters of one trial; ``draw`` gives the value of each that exists.

    A parameter of layer scope is drawn once for each layer, from the input on, as ``key.layer``.
    """
    params: dict[str, Value] = {}
    for name, parameter in searched(spec).items():
        if parameter.scope == "network":
            if _exists(spec, name, params, None):
                params[name] = draw(name, parameter)
            continue
        for layer in range(layer_count(spec)):
            if _exists(spec, name, params, layer):
                params[f"{name}.{layer}"] = draw(f"{name}.{layer}", parameter)
    return params


def layer_values(spec: StudySpec, name: str, params: Mapping[str, Any], layers: int) -> list[Any]:
    """Return the value of ``name`` for each layer: drawn, fixed, or the default."""
    parameter = spec.space.parameters.get(name)
    if isinstance(parameter, PerLayer):
        return list(parameter.values)
    if isinstance(parameter, (Choice, Range)) and parameter.scope == "layer":
        return [params.get(f"{name}.{layer}", _default(spec, name)) for layer in range(layers)]
    if isinstance(parameter, Fixed):
        return [parameter.value] * layers
    return [params.get(name, _default(spec, name))] * layers


def _default(spec: StudySpec, name: str) -> Any:
    key = SPACE_KEYS[name]
    return key.default if key.section == "space" else getattr(getattr(spec, key.section), name)


def _exists(spec: StudySpec, name: str, params: Mapping[str, Any], layer: int | None) -> bool:
    if name not in CONDITIONS:
        return True
    condition, holds = CONDITIONS[name]
    parameter = spec.space.parameters.get(condition)
    varies = isinstance(parameter, PerLayer) or getattr(parameter, "scope", "network") == "layer"
    values = layer_values(spec, condition, params, layer_count(spec) if varies else 1)
    if layer is not None and varies:
        values = [values[layer]]
    return any(holds(value) for value in values)
