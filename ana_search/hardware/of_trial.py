"""What the trials of one study cost, found as they start."""

from pathlib import Path
from typing import TYPE_CHECKING

from ana_search.errors import AnaSearchError
from ana_search.hardware.figures import figures
from ana_search.networks import is_known_code
from ana_search.objectives import OBJECTIVES
from ana_search.plan import TrainingPlan
from ana_search.study_file import StudySpec

if TYPE_CHECKING:
    from ana_search.hardware.exported import ExportedFigures

__all__ = ["TrialFigures"]


class TrialFigures:
    """The figures of trials that are known before training; those that files tell only where the study asks for them.

    Args:
        spec: the study.
        file: keeps what files tell, so that a launch that goes on compares equal networks by equal figures.
    """

    def __init__(self, spec: StudySpec, file: Path | None = None) -> None:
        wanted = set(spec.study.wanted)
        self._needed = any(OBJECTIVES[name].known for name in wanted)
        exported = {name for name in wanted if OBJECTIVES[name].exported}
        self._exported = _exported_figures(exported, file) if exported else None

    def of(self, plan: TrainingPlan) -> dict[str, float]:
        """Return the figures of a plan's network by the names of the objectives.

        A study that asks for none of them does without where they cannot be had (a network that answers only batches,
        say), and for networks of somebody else's code: that is run by workers alone, since a fault of it might end the
        process. Raises `NetworkError`, `DataError` or `ExportRequestError` in other studies.
        """
        if not self._needed and not is_known_code(plan.network.name):
            return {}
        try:
            found = figures(plan)
        except AnaSearchError:
            if self._needed:
                raise
            return {}
        if self._exported is not None:
            found |= self._exported.of(plan)
        return found


def _exported_figures(names: set[str], file: Path | None) -> "ExportedFigures":
    # What writes and runs files takes a second to load, which other studies need not spend.
    from ana_search.hardware.exported import ExportedFigures

    return ExportedFigures(names, file)
