"""One trial's parameters from Optuna."""

from typing import Protocol

from ana_search.space.walk import walk
from ana_search.study_file import Choice, Range, StudySpec
from ana_search.study_file.parameters import Value

__all__ = ["Suggester", "TrialParams", "suggest"]

TrialParams = dict[str, Value]


class Suggester(Protocol):
    """The part of an Optuna trial that draws values."""

    def suggest_categorical(self, name: str, choices: tuple[Value, ...]) -> Value:
        """Return one of the choices."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number from ``low`` to ``high``."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a number from ``low`` to ``high``."""


def suggest(trial: Suggester, spec: StudySpec) -> TrialParams:
    """Return the parameters of ``trial``: one value for every parameter that exists in it.

    ``trial`` is an Optuna trial (or anything with its ``suggest_*`` methods). Parameters of layer scope are
    named ``noise.0``, ``offset.3``. A study with nothing to search gives an empty dictionary.
    """

    def draw(name: str, parameter: Choice | Range) -> Value:
        if isinstance(parameter, Choice):
            return trial.suggest_categorical(name, parameter.choices)
        if parameter.integer:
            step = 1 if parameter.step is None else int(parameter.step)
            return trial.suggest_int(name, int(parameter.low), int(parameter.high), step=step, log=parameter.log)
        return trial.suggest_float(name, parameter.low, parameter.high, step=parameter.step, log=parameter.log)

    return walk(spec, draw)
