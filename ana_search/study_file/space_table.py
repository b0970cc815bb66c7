"""Reads the table ``[space]``: every key becomes a parameter, every mistake a message."""

import math
from dataclasses import replace
from typing import Any

from ana_search.study_file.keys import KEYS, NETWORK_PREFIX, RENAMED, Key, key_of
from ana_search.study_file.messages import unknown_key
from ana_search.study_file.parameters import Choice, Fixed, Parameter, PerLayer, Range, Scope, Toml, Value, is_multiple
from ana_search.study_file.values import is_number, shorten

__all__ = ["read_arguments", "read_space"]

_FORMS = {
    "choices": ("choices", "scope"),
    "low": ("low", "high", "step", "log", "scope"),
    "high": ("low", "high", "step", "log", "scope"),
    "layers": ("layers",),
    "value": ("value",),
}
_ALL = ("low", "high", "step", "log", "choices", "layers", "value", "scope")
_MOST_STEPS = 100_000
_FORM_RULE = "a value, an array, {low, high, step | log, scope}, {choices, scope} or {layers}"


def read_space(table: Toml) -> tuple[dict[str, Parameter], list[str]]:
    """Return the parameters of ``[space]`` and a message for each mistake."""
    parameters: dict[str, Parameter] = {}
    mistakes: list[str] = []
    for name, raw in table.items():
        if name in RENAMED:
            mistakes.append(f"space.{name}: is called {RENAMED[name]!r} now; allowed: the new name")
            continue
        if name not in KEYS:
            mistakes.append(unknown_key(f"space.{name}", name, [*KEYS, "exclude"]))
            continue
        parameter, found = _read_parameter(f"space.{name}", KEYS[name], raw)
        mistakes += found
        if parameter is not None and not found:
            parameters[name] = parameter
    return parameters, mistakes


def read_arguments(table: Toml) -> tuple[dict[str, Parameter], list[str]]:
    """Return the searched arguments of the network's function, the arrays and tables of ``[network]``, and mistakes.

    They are parameters of a trial as ``network_NAME``.
    """
    parameters: dict[str, Parameter] = {}
    mistakes: list[str] = []
    for name, raw in table.items():
        if not isinstance(raw, list | dict) or name in ("name", "classifier"):
            continue
        ends = [raw.get(end) for end in ("low", "high", "step")] if isinstance(raw, dict) else []
        whole = all(end is None or (isinstance(end, int) and not isinstance(end, bool)) for end in ends)
        full = f"{NETWORK_PREFIX}{name}"
        parameter, found = _read_parameter(f"network.{name}", key_of(full, whole), raw)
        mistakes += found
        if parameter is not None and not found:
            parameters[full] = parameter
    return parameters, mistakes


def _read_parameter(where: str, key: Key, raw: Any) -> tuple[Parameter | None, list[str]]:
    if isinstance(raw, list):
        return _read_choice(where, key, raw, "network")
    if not isinstance(raw, dict):
        problem = key.problem(raw)
        return (None, [f"{where}: {problem}"]) if problem else (Fixed(key.normal(raw)), [])
    form = next((name for name in _FORMS if name in raw), None)
    if form is None:
        mistakes = [unknown_key(f"{where}.{name}", name, _ALL) for name in raw if name not in _ALL]
        return None, mistakes or [f"{where}: got {shorten(raw)}; allowed: {_FORM_RULE}"]
    mistakes = [unknown_key(f"{where}.{name}", name, _FORMS[form]) for name in raw if name not in _FORMS[form]]
    scope, found = _read_scope(where, key, raw.get("scope", "network"))
    mistakes += found
    parameter: Parameter | None = None
    if form == "choices":
        parameter, found = _read_choice(f"{where}.choices", key, raw["choices"], scope)
    elif form == "layers":
        parameter, found = _read_layers(where, key, raw["layers"])
    elif form == "value":
        parameter, found = _read_parameter(f"{where}.value", key, raw["value"])
    else:
        parameter, found = _read_range(where, key, raw, scope)
    return parameter, mistakes + found


def _read_scope(where: str, key: Key, scope: Any) -> tuple[Scope, list[str]]:
    allowed = ("network", "layer") if key.per_layer else ("network",)
    if scope in allowed:
        return scope, []
    reason = "" if key.per_layer else " (this key holds for the network as a whole)"
    return "network", [f"{where}.scope: got {shorten(scope)}; allowed: {', '.join(allowed)}{reason}"]


def _read_values(where: str, key: Key, raw: Any) -> list[str]:
    if not isinstance(raw, list) or not raw:
        return [f"{where}: got {shorten(raw)}; allowed: an array of at least one value, each {key.allowed()}"]
    problems = [(index, key.problem(value)) for index, value in enumerate(raw)]
    return [f"{where}[{index}]: {problem}" for index, problem in problems if problem]


def _read_choice(where: str, key: Key, raw: Any, scope: Scope) -> tuple[Parameter | None, list[str]]:
    mistakes = _read_values(where, key, raw)
    if mistakes:
        return None, mistakes
    choices: dict[Value, None] = {}
    for value in map(key.normal, raw):
        if value in choices:
            return None, [f"{where}: got {shorten(value)} more than once; allowed: different values"]
        choices[value] = None
    return Choice(tuple(choices), scope), []


def _read_layers(where: str, key: Key, raw: Any) -> tuple[Parameter | None, list[str]]:
    if not key.per_layer:
        return None, [f"{where}.layers: got {shorten(raw)}; allowed: one value for the network as a whole"]
    mistakes = _read_values(f"{where}.layers", key, raw)
    return (None, mistakes) if mistakes else (PerLayer(tuple(key.normal(value) for value in raw)), [])


def _read_range(where: str, key: Key, raw: Toml, scope: Scope) -> tuple[Parameter | None, list[str]]:
    if not key.numeric:
        return None, [f"{where}: got a range {shorten(raw)}; allowed: {key.allowed()}, or an array of these"]
    mistakes = [f"{where}.{end}: missing; a range needs low and high" for end in ("low", "high") if end not in raw]
    number = replace(key, words=())
    for end in ("low", "high"):
        problem = number.problem(raw[end]) if end in raw else None
        if problem:
            mistakes.append(f"{where}.{end}: {problem}")
    log, step = raw.get("log", False), raw.get("step")
    if not isinstance(log, bool):
        mistakes.append(f"{where}.log: got {shorten(log)}; allowed: true or false")
    if step is not None and not is_number(step, 0, math.inf, open_low=True, integer=key.integer):
        kind = "a whole number" if key.integer else "a number"
        mistakes.append(f"{where}.step: got {shorten(step)}; allowed: {kind} above 0")
    if mistakes:
        return None, mistakes
    low, high = raw["low"], raw["high"]
    if not low < high:
        mistakes.append(f"{where}: got low = {low}, high = {high}; allowed: low < high")
    if log and step is not None:
        mistakes.append(f"{where}: got both log and step; allowed: one of them")
    if log and low <= 0:
        mistakes.append(f"{where}.low: got {low}; allowed: a number above 0 where log = true")
    if step is not None and low < high:
        mistakes += _check_step(f"{where}.step", low, high, step)
    if mistakes:
        return None, mistakes
    kind_of = int if key.integer else float
    return Range(kind_of(low), kind_of(high), None if step is None else kind_of(step), log, key.integer, scope), []


def _check_step(where: str, low: float, high: float, step: float) -> list[str]:
    """Return the mistakes of a step that leads from ``low`` to ``high``."""
    got = f"{where}: got {shorten(step)} between {low} and {high}"
    if (high - low) / _MOST_STEPS > step:
        return [f"{got}; allowed: at most {_MOST_STEPS:,} steps; without a step every number between them is drawn"]
    if not step <= high - low or not is_multiple(high - low, step):
        return [f"{got}; allowed: high = low + a whole number of steps"]
    return []
