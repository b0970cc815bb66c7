"""Cells that a grid leaves out: ``[[space.exclude]] when = {...}, unless = [{...}]``."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ana_search.study_file.keys import RENAMED, key_of
from ana_search.study_file.messages import unknown_key
from ana_search.study_file.parameters import Choice, Parameter, Range, Value
from ana_search.study_file.values import shorten

__all__ = ["Exclusion", "excluder", "read_exclusions"]

Pattern = dict[str, tuple[Value, ...]]


@dataclass(frozen=True)
class Exclusion:
    """Leaves out the cells that agree with ``when``, but for those that agree with a pattern of ``unless``.

    A cell agrees with a pattern when each of the pattern's keys has one of the values that the pattern names.
    """

    when: Pattern
    unless: tuple[Pattern, ...] = ()

    def excludes(self, cell: Mapping[str, Value]) -> bool:
        """Return whether the rule leaves ``cell`` (parameter names and values) out."""
        return _agrees(cell, self.when) and not any(_agrees(cell, pattern) for pattern in self.unless)


def _agrees(cell: Mapping[str, Value], pattern: Pattern) -> bool:
    return all(name in cell and cell[name] in values for name, values in pattern.items())


def excluder(rules: Iterable[Exclusion]) -> Callable[[Mapping[str, Value]], bool]:
    """Return whether any of the rules leaves a cell out, as a function of the cell.

    Of many rules only those are looked at that name a value which the cell has.
    """
    named: dict[tuple[str, Value], list[Exclusion]] = {}
    for rule in rules:
        name, values = next(iter(rule.when.items()))
        for value in values:
            named.setdefault((name, value), []).append(rule)
    return lambda cell: any(rule.excludes(cell) for item in cell.items() for rule in named.get(item, ()))


def read_exclusions(
    raw: Any, space: Mapping[str, Parameter], named: Collection[str]
) -> tuple[list[Exclusion], list[str]]:
    """Return the rules of ``[[space.exclude]]`` and a message for each mistake.

    ``space`` holds the parameters of the file, ``named`` the keys that it names, right or wrong. A pattern
    may only name searched parameters of network scope.
    """
    rules: list[Exclusion] = []
    mistakes: list[str] = []
    if not isinstance(raw, list):
        return [], [f"space.exclude: got {shorten(raw)}; allowed: tables [[space.exclude]] with when and unless"]
    for index, table in enumerate(raw):
        where = f"space.exclude[{index}]"
        if not isinstance(table, dict):
            mistakes.append(f"{where}: got {shorten(table)}; allowed: a table with when and unless")
            continue
        names = ("when", "unless")
        mistakes += [unknown_key(f"{where}.{name}", name, names) for name in table if name not in names]
        when, found = _read_pattern(f"{where}.when", table.get("when"), space, named)
        unless = table.get("unless", [])
        patterns = []
        if isinstance(unless, list):
            for number, pattern in enumerate(unless):
                read, more = _read_pattern(f"{where}.unless[{number}]", pattern, space, named)
                patterns.append(read)
                found += more
        else:
            found.append(f"{where}.unless: got {shorten(unless)}; allowed: an array of tables")
        mistakes += found
        if not found:
            rules.append(Exclusion(when, tuple(patterns)))
    return rules, mistakes


def _read_pattern(
    where: str, raw: Any, space: Mapping[str, Parameter], named: Collection[str]
) -> tuple[Pattern, list[str]]:
    if not isinstance(raw, dict) or not raw:
        return {}, [f"{where}: got {shorten(raw)}; allowed: a table of searched parameters and their values"]
    pattern: Pattern = {}
    mistakes = []
    searched = [name for name, p in space.items() if isinstance(p, (Choice, Range)) and p.scope == "network"]
    for name, value in raw.items():
        values = value if isinstance(value, list) else [value]
        if name not in searched:
            if name in named and name not in space:
                continue  # the key itself is wrong, which has its own message
            if name in RENAMED:
                mistakes.append(f"{where}.{name}: is called {RENAMED[name]!r} now; allowed: the new name")
                continue
            mistakes.append(unknown_key(f"{where}.{name}", name, searched))
            continue
        parameter = space[name]
        for one in values:
            problem = key_of(name).problem(one)
            if problem:
                mistakes.append(f"{where}.{name}: {problem}")
            elif isinstance(parameter, Choice) and one not in parameter.choices:
                choices = ", ".join(map(str, parameter.choices))
                mistakes.append(f"{where}.{name}: got {shorten(one)}; allowed: {choices}")
        pattern[name] = tuple(key_of(name).normal(one) for one in values if not key_of(name).problem(one))
    return pattern, mistakes
