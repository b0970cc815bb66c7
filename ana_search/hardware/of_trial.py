"""What the trials of one study cost, found as they start."""

from pathlib import Path
from typing import TYPE_CHECKING

from ana_search.errors import AnaSearchError
from ana_search.hardware.figures import figures
from ana_search.objectives import OBJECTIVES
from ana_search.plan import TrainingPlan
from ana_search.study_file import StudySpec

if TYPE_CHECKING:
    from ana_search.hardware.latency import Latencies

__all__ = ["TrialFigures"]


class TrialFigures:
    """The figures of trials that are known before training; latency only where the study asks for it.

    Args:
        spec: the study.
        file: keeps measured latencies, so that a launch that goes on compares equal networks by equal figures.
    """

    def __init__(self, spec: StudySpec, file: Path | None = None) -> None:
        wanted = set(spec.study.wanted)
        self._needed = any(OBJECTIVES[name].known for name in wanted)
        self._latencies = _latencies(file) if "latency" in wanted else None

    def of(self, plan: TrainingPlan) -> dict[str, float]:
        """Return the figures of a plan's network by the names of the objectives.

        A study that asks for none of them does without where they cannot be had (a network that answers only batches,
        say). Raises `NetworkError`, `DataError` or `ExportRequestError` in other studies.
        """
        try:
            found = figures(plan)
        except AnaSearchError:
            if self._needed:
                raise
            return {}
        if self._latencies is not None:
            found["latency"] = self._latencies.of(plan)
        return found


def _latencies(file: Path | None) -> "Latencies":
    # What writes and runs files takes a second to load, which other studies need not spend.
    from ana_search.hardware.latency import Latencies

    return Latencies(file)
