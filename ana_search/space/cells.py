"""The cells of a grid: all of them, in an order that is balanced from the first on."""

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from ana_search.errors import StudyFileError
from ana_search.space.draw import TrialParams
from ana_search.space.walk import is_conditional, walk
from ana_search.study_file import Choice, Range, StudySpec
from ana_search.study_file.exclusions import excluder
from ana_search.study_file.parameters import Value

__all__ = ["cell_count", "grid"]

_BALANCED_UP_TO = 2048  # cells; beyond that the order is a seeded shuffle, which is balanced enough


def grid(spec: StudySpec) -> list[TrialParams]:
    """Return the cells of the study's grid, each once, without those that ``[[space.exclude]]`` leaves out.

    The order is a function of the study alone. After any number of cells every value of every parameter, and
    every pair of values of two parameters, has been met about equally often: a study that is stopped early is
    still a balanced one. A study with nothing to search has one cell without parameters. Raises `StudyFileError`
    where exclusions leave none.
    """
    cell_count(spec)
    text = spec.to_json()
    cells = _all_cells(text)
    return [dict(cells[index]) for index in _balanced_order(text)]


def cell_count(spec: StudySpec) -> int:
    """Return the number of cells of the study's grid. Raises `StudyFileError` where exclusions leave none."""
    count = len(_all_cells(spec.to_json()))
    if count == 0:
        raise StudyFileError(
            f"study {spec.study.name!r}: space.exclude: got rules that leave out every cell of the grid; allowed: "
            "rules that leave at least one"
        )
    return count


@lru_cache(maxsize=4)
def _all_cells(spec: str) -> tuple[TrialParams, ...]:
    study = StudySpec.from_json(spec)
    excluded = excluder(study.space.exclude)
    return tuple(cell for cell in _crossing(study) if not excluded(cell))


def _crossing(spec: StudySpec) -> Iterator[TrialParams]:
    """Yield every cell before exclusions, the last parameter changing fastest."""
    if is_conditional(spec):
        yield from _branches(spec)
        return
    values: dict[str, tuple[Value, ...]] = {}

    def draw(name: str, parameter: Choice | Range) -> Value:
        values[name] = _values(parameter)
        return values[name][0]

    walk(spec, draw)  # every trial has the same parameters
    for chosen in product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def _branches(spec: StudySpec) -> Iterator[TrialParams]:
    """Yield the cells of a space whose parameters do not all exist in every trial.

    The walk through the parameters is repeated, each time with the next branch taken: ``path`` holds the
    branch taken at every parameter and the number of branches there.
    """
    path: list[tuple[int, int]] = []
    while True:
        depth = 0

        def draw(_: str, parameter: Choice | Range) -> Value:
            nonlocal depth
            values = _values(parameter)
            if depth == len(path):
                path.append((0, len(values)))
            depth += 1
            return values[path[depth - 1][0]]

        yield walk(spec, draw)
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        path[-1] = (path[-1][0] + 1, path[-1][1])


def _values(parameter: Choice | Range) -> tuple[Value, ...]:
    if isinstance(parameter, Choice):
        return parameter.choices
    step = parameter.step or 1
    count = round((parameter.high - parameter.low) / step) + 1
    if parameter.integer:
        return tuple(int(parameter.low + index * step) for index in range(count))
    return tuple(round(parameter.low + index * step, 12) for index in range(count))


@lru_cache(maxsize=4)
def _balanced_order(spec: str) -> tuple[int, ...]:
    """Return the positions of the cells in balanced order.

    Greedy: the next cell is the one whose values, and pairs of values, have been met least so far, each count
    weighed by its number of levels; ties go to the smallest hash, which depends on the study's seed.
    """
    cells = _all_cells(spec)
    count = len(cells)
    salt = str(StudySpec.from_json(spec).study.seed)
    hashes = [hashlib.sha256((salt + json.dumps(cell, sort_keys=True)).encode()).hexdigest() for cell in cells]
    by_hash = sorted(range(count), key=hashes.__getitem__)
    if count > _BALANCED_UP_TO:
        return tuple(by_hash)
    features, weights = _features([cells[index] for index in by_hash])
    load = np.zeros(count)
    order = []
    for _ in range(count):
        position = int(np.argmin(np.round(load, 9)))
        order.append(by_hash[position])
        load += ((features == features[position]) * weights).sum(axis=1)
        load[position] = np.inf
    return tuple(order)


def _features(cells: list[TrialParams]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return a code for every (cell, parameter) and (cell, pair of parameters), and each column's weight."""
    names = sorted({name for cell in cells for name in cell})
    levels = {name: sorted({repr(cell.get(name)) for cell in cells}) for name in names}
    single = {name: [levels[name].index(repr(cell.get(name))) for cell in cells] for name in names}
    columns = [single[name] for name in names]
    weights = [float(len(levels[name])) for name in names]
    for one, other in combinations(names, 2):
        columns.append([a * len(levels[other]) + b for a, b in zip(single[one], single[other], strict=True)])
        weights.append(float(len(levels[one]) * len(levels[other])) / max(1, len(names) - 1))
    if not columns:
        return np.zeros((len(cells), 1), dtype=np.int64), np.ones(1)
    return np.array(columns, dtype=np.int64).T, np.array(weights)
