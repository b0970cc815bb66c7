"""Whether any network of a study meets its constraints, asked before anything is trained."""

from ana_search.errors import StudyFileError
from ana_search.hardware.extremes import Candidate, candidates, cell_candidates, extremes
from ana_search.objectives import OBJECTIVES, Constraint
from ana_search.study_file import StudySpec

__all__ = ["check_constraints", "infeasible_cells"]


def check_constraints(spec: StudySpec) -> None:
    """Raise `StudyFileError` where no network of the study meets its constraints.

    What files tell (latency, RAM, flash) or training (accuracy) is not known yet, and passed by. Raises `NetworkError`
    or `DataError` where a network cannot be built.
    """
    known = [one for one in spec.study.limits if _is_computed(one)]
    if not known or any(_may_meet(one, known) for one in candidates(spec)):
        return
    ends = {one.objective: one for one in extremes(spec)}
    told = []
    for one in known:
        end, objective = ends.get(one.objective), OBJECTIVES[one.objective]
        if end is not None:
            most, value = ("least", end.smallest) if one.upper else ("most", end.largest)
            told.append(f"{str(one)!r} (the {most} of any is {objective.shown(value)})")
    together = "all of them" if len(told) > 1 else "it"
    raise StudyFileError(
        f"study {spec.study.name!r}: study.constraints: got {', '.join(told)}: no network of the study meets "
        f"{together}; allowed: constraints that one meets"
    )


def infeasible_cells(spec: StudySpec) -> int:
    """Return how many cells of a grid break a constraint on what is computed before training."""
    known = [one for one in spec.study.limits if _is_computed(one)]
    if not known:
        return 0
    return sum(number for candidate, number in cell_candidates(spec) if not _may_meet(candidate, known))


def _is_computed(constraint: Constraint) -> bool:
    objective = OBJECTIVES[constraint.objective]
    return objective.known and not objective.exported


def _may_meet(candidate: Candidate, constraints: list[Constraint]) -> bool:
    """Return whether one of the networks may meet the constraints: the cheapest, the dearest or one between."""
    sides = [(one, candidate.low if one.upper else candidate.high) for one in constraints]
    return all(one.violation(side[one.objective]) <= 0 for one, side in sides if one.objective in side)
