"""One set of parameters that stands for a study."""

import math

from ana_search.space.cells import grid
from ana_search.space.draw import TrialParams, suggest
from ana_search.study_file import StudySpec

__all__ = ["example_params"]


class _Middle:
    """Answers like a trial: the first choice, the middle of a range (of its logarithm, with ``log``)."""

    def suggest_categorical(self, name: str, choices: tuple[int | float | str, ...]) -> int | float | str:
        return choices[0]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        middle = math.sqrt(low * high) if log else (low + high) / 2
        return low + step * int((middle - low) // step)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        middle = math.sqrt(low * high) if log else (low + high) / 2
        return middle if step is None else low + step * math.floor((middle - low) / step + 1e-9)


def example_params(spec: StudySpec) -> TrialParams:
    """Return the first cell of a grid; else every parameter's first choice, or the middle of its range."""
    if spec.study.sampler == "grid":
        return grid(spec)[0]
    return suggest(_Middle(), spec)
