"""Whether any network of a study meets its constraints, asked before anything is trained."""

from ana_search.errors import StudyFileError
from ana_search.hardware.extremes import Candidate, candidates, cell_candidates, extremes
from ana_search.objectives import OBJECTIVES, Constraint
from ana_search.study_file import StudySpec

__all__ = ["check_constraints", "infeasible_cells"]

_MEMORY = frozenset({"ram", "flash"})
_MOST_WRITTEN = 4  # networks; each takes a second


def check_constraints(spec: StudySpec) -> None:
    """Raise `StudyFileError` where no network of the study meets its constraints.

    RAM and flash are looked at where there are few networks, those with the least bits; latency and accuracy are not
    known yet, and passed by. Raises `NetworkError`, `DataError` or `ExportRequestError` where a network cannot be
    built or exported.
    """
    known = [one for one in spec.study.limits if _is_computed(one)]
    if known and not any(_may_meet(one, known) for one in candidates(spec)):
        raise _refused(spec, known)
    _check_memory(spec, known)


def _check_memory(spec: StudySpec, known: list[Constraint]) -> None:
    """Raise `StudyFileError` where the C files of all networks take more RAM or flash than the study allows."""
    limits = [one for one in spec.study.limits if one.objective in _MEMORY and one.upper]
    if not limits:
        return
    left = [one for one in candidates(spec) if _may_meet(one, known)]
    if len(left) > _MOST_WRITTEN:
        return
    from ana_search.hardware.exported import exported_figures  # loads what writes files

    names = {one.objective for one in limits}
    found = [exported_figures(one.least, names) for one in left]
    if any(all(one.violation(values[one.objective]) <= 0 for one in limits) for values in found):
        return
    least = {name: OBJECTIVES[name].shown(min(values[name] for values in found)) for name in names}
    told = ", ".join(f"{str(one)!r} (the network with the least bits takes {least[one.objective]})" for one in limits)
    raise StudyFileError(
        f"study {spec.study.name!r}: study.constraints: got {told}: no network of the study meets "
        f"{'all of them' if len(limits) > 1 else 'it'}; allowed: constraints that one meets"
    )


def _refused(spec: StudySpec, known: list[Constraint]) -> StudyFileError:
    """Return the error of a study whose constraints no network meets."""
    ends = {one.objective: one for one in extremes(spec)}
    told = []
    for one in known:
        end, objective = ends.get(one.objective), OBJECTIVES[one.objective]
        if end is not None:
            most, value = ("least", end.smallest) if one.upper else ("most", end.largest)
            told.append(f"{str(one)!r} (the {most} of any is {objective.shown(value)})")
    together = "all of them" if len(told) > 1 else "it"
    return StudyFileError(
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
