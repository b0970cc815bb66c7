"""What a study knows of its space, for an analysis that sees nothing but the table of its trials."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from ana_search.space.layers import layer_count
from ana_search.space.walk import searched
from ana_search.study_file import Choice, Range, StudySpec
from ana_search.study_file.keys import conditions_of
from ana_search.study_file.parameters import Value

__all__ = ["SpaceDescription", "SpaceOptions", "describe_space"]


Scale = tuple[str, float, float] | tuple[str, float, float, float]
"""How a range is sampled (``"log"`` or ``"linear"``), its bounds, and where it is stepped its step."""

Condition = tuple[str, list[Value]]
"""Another column, and the values for which a column exists."""


class SpaceOptions(TypedDict):
    """The arguments of `analysis.attribute` that a study knows (see `SpaceDescription`)."""

    ranges: dict[str, Scale]
    conditions: dict[str, list[Condition]]
    categorical: list[str]
    sampler: str


@dataclass(frozen=True)
class SpaceDescription:
    """Scales, conditions and the sampler of a study, by the names of the columns of its table.

    ``ranges[column]`` is ``("log" | "linear", low, high)``, of a stepped range with its step as fourth entry;
    ``conditions[column]`` holds pairs of another column and the values for which ``column`` exists, one of which must
    hold; ``categorical`` are the columns whose values are levels, numbers or not.
    """

    ranges: dict[str, Scale]
    conditions: dict[str, list[Condition]]
    categorical: list[str]
    sampler: str

    def options(self, columns: Collection[str]) -> SpaceOptions:
        """Return the arguments of `analysis.attribute` for a table with these columns.

        A parameter that no trial has had yet has no column.
        """
        conditions = {
            name: [pair for pair in pairs if pair[0] in columns]
            for name, pairs in self.conditions.items()
            if name in columns
        }
        return {
            "ranges": {name: given for name, given in self.ranges.items() if name in columns},
            "conditions": {name: pairs for name, pairs in conditions.items() if pairs},
            "categorical": [name for name in self.categorical if name in columns],
            "sampler": self.sampler,
        }


def describe_space(spec: StudySpec) -> SpaceDescription:
    """Return what a study says of the parameters that its trials differ in. Raises as `layer_count`."""
    found = SpaceDescription({}, {}, [], spec.study.sampler)
    parameters = searched(spec)
    for name, parameter in parameters.items():
        for column in _columns(spec, name, parameter):
            if isinstance(parameter, Choice) or spec.study.sampler == "grid":
                found.categorical.append(column)
            else:
                found.ranges[column] = _scale(parameter)
        _add_condition(found, spec, name, parameters)
    return found


def _add_condition(
    found: SpaceDescription, spec: StudySpec, name: str, parameters: Mapping[str, Choice | Range]
) -> None:
    """Add the nearest condition of a parameter that some trials meet and others do not.

    One further up decides through it: where it does not hold, the nearer key does not exist and so has no such value.
    """
    parameter = parameters[name]
    for condition in conditions_of(name):
        parent = parameters.get(condition.key)
        if not isinstance(parent, Choice):
            continue
        values = [value for value in parent.choices if condition.holds(value)]
        if len(values) == len(parent.choices) and not any(
            each.key in parameters for each in conditions_of(condition.key)
        ):
            continue
        both = parameter.scope == parent.scope == "layer"
        parents = _columns(spec, condition.key, parent)
        for layer, column in enumerate(_columns(spec, name, parameter)):
            found.conditions[column] = [(one, values) for one in ([parents[layer]] if both else parents)]
        return


def _columns(spec: StudySpec, name: str, parameter: Choice | Range) -> Sequence[str]:
    return [f"{name}.{layer}" for layer in range(layer_count(spec))] if parameter.scope == "layer" else [name]


def _scale(parameter: Range) -> Scale:
    step = parameter.step or (1 if parameter.integer else None)
    scale = "log" if parameter.log else "linear"
    return (scale, parameter.low, parameter.high) if step is None else (scale, parameter.low, parameter.high, step)
