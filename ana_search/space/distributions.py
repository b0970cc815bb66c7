"""The parameters of a study as Optuna's distributions."""

from typing import TYPE_CHECKING

from ana_search.space.layers import layer_count
from ana_search.space.walk import searched
from ana_search.study_file import Choice, Range, StudySpec

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["distributions"]


def distributions(spec: StudySpec) -> dict[str, "BaseDistribution"]:
    """Return the distribution of every parameter that a trial may have, by its name in Optuna.

    They are those that `suggest` asks for. In a conditional space no trial may have them all.
    """
    found: dict[str, BaseDistribution] = {}
    for name, parameter in searched(spec).items():
        layers = [f"{name}.{layer}" for layer in range(layer_count(spec))] if parameter.scope == "layer" else [name]
        found |= dict.fromkeys(layers, _distribution(parameter))
    return found


def _distribution(parameter: Choice | Range) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.choices)
    low, high, step, log = parameter.low, parameter.high, parameter.step, parameter.log
    if parameter.integer:
        return IntDistribution(int(low), int(high), step=int(step or 1), log=log)
    return FloatDistribution(low, high, step=step, log=log)
