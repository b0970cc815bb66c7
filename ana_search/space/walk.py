"""The order in which a trial's parameters are drawn, and which of them exist.

A key may exist only for some values of another: the table of parameters says so. The keys are drawn in its order,
conditions before the keys that hang on them.
"""

from collections.abc import Callable, Mapping

from ana_search.space.layers import layer_count
from ana_search.study_file import KEYS, Choice, Fixed, PerLayer, Range, StudySpec, is_argument
from ana_search.study_file.keys import conditions_of
from ana_search.study_file.parameters import Value

__all__ = ["Draw", "is_conditional", "layer_values", "searched", "walk"]

Draw = Callable[[str, Choice | Range], Value]


def searched(spec: StudySpec) -> dict[str, Choice | Range]:
    """Return the keys of ``[space]`` that trials differ in, in the order in which they are drawn."""
    parameters = spec.space.parameters
    found: dict[str, Choice | Range] = {}
    for name in [*KEYS, *sorted(name for name in parameters if is_argument(name))]:
        parameter = parameters.get(name)
        if isinstance(parameter, (Choice, Range)):
            found[name] = parameter
    return found


def is_conditional(spec: StudySpec) -> bool:
    """Return whether some parameters exist only in some trials."""
    names = searched(spec)
    return any(condition.key in names for name in names for condition in conditions_of(name))


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


def layer_values(spec: StudySpec, name: str, params: Mapping[str, Value], layers: int) -> list[Value]:
    """Return the value of ``name`` for each layer: drawn, fixed, or the default.

    In a layer where the key does not exist (a power under a schedule that has none) it has its default, however its
    value was given.
    """
    values = _given(spec, name, params, layers)
    held = _held(spec, name, params, layers)
    return [value if exists else _default(spec, name) for value, exists in zip(values, held, strict=True)]


def _held(spec: StudySpec, name: str, params: Mapping[str, Value], layers: int) -> list[bool]:
    """Return for each layer whether all conditions of a key hold there; of one without layers, in any layer."""
    held = [True] * layers
    for condition in conditions_of(name):
        values = layer_values(spec, condition.key, params, layers)
        held = [so_far and condition.holds(value) for so_far, value in zip(held, values, strict=True)]
    return held if KEYS[name].per_layer or not held else [any(held)] * layers


def _given(spec: StudySpec, name: str, params: Mapping[str, Value], layers: int) -> list[Value]:
    parameter = spec.space.parameters.get(name)
    if isinstance(parameter, PerLayer):
        return list(parameter.values)
    if isinstance(parameter, (Choice, Range)) and parameter.scope == "layer":
        return [params.get(f"{name}.{layer}", _default(spec, name)) for layer in range(layers)]
    if isinstance(parameter, Fixed):
        return [parameter.value] * layers
    return [params.get(name, _default(spec, name))] * layers


def _default(spec: StudySpec, name: str) -> Value:
    key = KEYS[name]
    if key.default is not None:
        return key.default
    value: Value = getattr(getattr(spec, key.section), name)
    return value


def _exists(spec: StudySpec, name: str, params: Mapping[str, Value], layer: int | None) -> bool:
    """Return whether a trial with these parameters, drawn so far, has the parameter (in that layer)."""
    conditions = conditions_of(name)
    if not conditions:
        return True
    parameters = [spec.space.parameters.get(condition.key) for condition in conditions]
    varies = any(isinstance(p, PerLayer) or getattr(p, "scope", "network") == "layer" for p in parameters)
    held = _held(spec, name, params, layer_count(spec) if varies else 1)
    return held[layer] if layer is not None and varies else any(held)
