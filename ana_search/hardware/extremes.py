"""The least and the most that the networks of a study cost."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ana_search.ana import StairFunction
from ana_search.hardware.figures import figures
from ana_search.objectives import OBJECTIVES
from ana_search.plan import TrainingPlan
from ana_search.planner import make_plan
from ana_search.space import TrialParams, grid, layer_count, searched
from ana_search.study_file import Choice, Range, StudySpec, is_argument, key_of
from ana_search.study_file.parameters import Value

__all__ = ["Candidate", "Extremes", "candidates", "cell_candidates", "extremes"]

_BITS = ("weight_bits", "activation_bits")
_MOST_VALUES = 9  # of one argument of the network's function that are tried
_MOST_NETWORKS = 64  # with different arguments; of more, those at the ends of each argument are tried


@dataclass(frozen=True)
class Extremes:
    """The least and the most of one objective over the networks of a study."""

    objective: str
    smallest: float
    largest: float


@dataclass(frozen=True)
class Candidate:
    """Networks that differ in bits alone: what the one with the least bits costs, and the one with the most."""

    low: Mapping[str, float]
    high: Mapping[str, float]
    least: TrainingPlan
    """The plan with the least bits."""


def extremes(spec: StudySpec) -> list[Extremes]:
    """Return the least and the most of every objective that follows from the network and its bits.

    Every figure grows with the bits of every layer, so that the least and the most bits give the ends. Of an argument
    of the network's function that is searched over a long range, some values are tried, its ends among them.

    Raises `NetworkError` or `DataError` where a network cannot be built.
    """
    found = list(candidates(spec))
    names = [name for name in OBJECTIVES if all(name in one.low for one in found)]
    return [Extremes(name, min(one.low[name] for one in found), max(one.high[name] for one in found)) for name in names]


def candidates(spec: StudySpec) -> Iterator[Candidate]:
    """Yield the networks that are looked at: every one of a grid, else two for each set of arguments."""
    if spec.study.sampler == "grid":
        yield from (candidate for candidate, _ in cell_candidates(spec))
        return
    for arguments in _arguments(spec):
        low, high = ({**arguments, **_bits(spec, arguments, end)} for end in (0, -1))
        least = make_plan(spec, low, 0)
        yield Candidate(figures(least), figures(make_plan(spec, high, 0)), least)


def cell_candidates(spec: StudySpec) -> Iterator[tuple[Candidate, int]]:
    """Yield the networks of a grid's cells, and how many cells have each."""
    names = [name for name in searched(spec) if _decides(name)]
    cells = Counter(
        tuple((full, value) for full, value in cell.items() if full.partition(".")[0] in names) for cell in grid(spec)
    )
    for cell, count in cells.items():
        plan = make_plan(spec, dict(cell), 0)
        exactly = figures(plan)
        yield Candidate(exactly, exactly, plan), count


def _decides(name: str) -> bool:
    """Return whether a key decides what a network costs."""
    return is_argument(name) or key_of(name).section == "quantiser"


def _arguments(spec: StudySpec) -> Iterator[TrialParams]:
    """Yield the arguments of the network's function that are searched, with the values that are tried."""
    names = {name: parameter for name, parameter in searched(spec).items() if is_argument(name)}
    columns = [_values(parameter) for parameter in names.values()]
    count = 1
    for column in columns:
        count *= len(column)
    if count > _MOST_NETWORKS:
        columns = [list(dict.fromkeys([column[0], column[-1]])) for column in columns]
    for values in itertools.islice(itertools.product(*columns), _MOST_NETWORKS):
        yield dict(zip(names, values, strict=True))


def _values(parameter: Choice | Range) -> list[Value]:
    if isinstance(parameter, Choice):
        return list(parameter.choices)
    low, high = parameter.low, parameter.high
    if not parameter.integer:
        return list(dict.fromkeys([low, high]))
    step = int(parameter.step or 1)
    every = range(int(low), int(high) + 1, step)
    if len(every) <= _MOST_VALUES:
        return list(every)
    places = {round(place * (len(every) - 1) / (_MOST_VALUES - 1)) for place in range(_MOST_VALUES)}
    return [every[place] for place in sorted(places)]


def _bits(spec: StudySpec, arguments: TrialParams, end: int) -> TrialParams:
    """Return the searched bits of every layer, with the least (``end`` 0) or the most (-1) of their values."""
    found: TrialParams = {}
    for name, parameter in searched(spec).items():
        if name not in _BITS:
            continue
        if isinstance(parameter, Choice):
            value = sorted(parameter.choices, key=_width)[end]
        else:
            value = parameter.low if end == 0 else parameter.high
        layers = layer_count(spec, arguments)
        names = [f"{name}.{layer}" for layer in range(layers)] if parameter.scope == "layer" else [name]
        found |= dict.fromkeys(names, value)
    return found


def _width(bits: Value) -> int:
    return StairFunction.for_network(bits).bits  # type: ignore[arg-type]  # what the key `weight_bits` allows
