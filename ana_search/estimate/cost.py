"""What a study asks for and what it would cost on this machine."""

from dataclasses import asdict, dataclass

from ana_search.errors import NetworkError
from ana_search.estimate.timing import Timing, time_training
from ana_search.hardware import Extremes, check_constraints, extremes, infeasible_cells
from ana_search.objectives import ACCURACY, OBJECTIVES
from ana_search.plan import TrainingPlan
from ana_search.planner import make_plan
from ana_search.space import (
    LEARN_FROM_CONSTRAINTS,
    TrialParams,
    cell_count,
    grid,
    layer_count,
    replicate_seed,
    requested_trials,
    rungs,
    searched,
)
from ana_search.study_file import Choice, Range, StudySpec, key_of

__all__ = ["Cost", "SearchedParameter", "StudyEstimate", "estimate"]


@dataclass(frozen=True)
class SearchedParameter:
    """A searched key as people read it: its values, whether every layer has its own, and the analysis's group."""

    parameter: str
    values: str
    scope: str
    group: str


@dataclass(frozen=True)
class Cost:
    """What the trials take on this machine: all together, with so many workers, and one of them in the mean."""

    device: str
    epoch_seconds: float
    trial_seconds: float
    device_hours: float
    workers: int
    wall_seconds: float


@dataclass(frozen=True)
class StudyEstimate:
    """What a study asks for.

    ``cells`` is ``None`` unless it is a grid, ``rungs`` unless it prunes, ``cost`` where nothing was timed.
    ``hardware`` is what its networks cost, the least and the most of each figure; ``constraints_note`` says what the
    sampler makes of the ``constraints``, and ``infeasible_cells`` how many cells of a grid break one.
    """

    study: str
    parameters: tuple[SearchedParameter, ...]
    sampler: str
    pruner: str
    layers: int
    cells: int | None
    replicates: int
    trials: int
    epochs: int
    rungs: tuple[int, ...] | None = None
    hardware: tuple[Extremes, ...] = ()
    constraints: tuple[str, ...] = ()
    constraints_note: str | None = None
    infeasible_cells: int | None = None
    cost: Cost | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the estimate for a table or JSON, the cost's fields beside the others, without what is missing."""
        fields = asdict(self)
        fields |= fields.pop("cost") or {}
        return {name: value for name, value in fields.items() if value is not None or name == "cells"}


def estimate(spec: StudySpec, timed: bool = True, workers: int | None = None) -> StudyEstimate:
    """Return what the study asks for.

    ``timed``: also train a few steps of the real network on this machine, with the threads or the GPU that one
    trial would have, and say what the study would cost on it with ``workers`` trials at a time (default: the
    study's). Reading or downloading images is not needed.

    Raises `NetworkError` or `DataError` where network or data cannot be used as asked, `StudyFileError` where no
    network meets the study's constraints.
    """
    check_constraints(spec)
    trials, epochs = requested_trials(spec), epochs_asked_for(spec)
    steps = rungs(spec)
    cost = None
    if timed:
        timing = time_training(example_plan(spec), spec.resources.threads, spec.resources.gpus_per_trial)
        cost = _cost(timing, trials, epochs, workers or spec.resources.workers)
    return StudyEstimate(
        study=spec.study.name,
        parameters=tuple(parameter_rows(spec)),
        sampler=spec.study.sampler,
        pruner=spec.study.pruner,
        layers=layer_count(spec),
        cells=cell_count(spec) if spec.study.sampler == "grid" else None,
        replicates=spec.replicates,
        trials=trials,
        epochs=round(epochs),
        rungs=tuple(steps) if len(steps) > 1 else None,
        hardware=tuple(_hardware(spec)),
        constraints=spec.study.constraints,
        constraints_note=_constraints_note(spec),
        infeasible_cells=infeasible_cells(spec) if spec.study.constraints and spec.study.sampler == "grid" else None,
        cost=cost,
    )


def _hardware(spec: StudySpec) -> list[Extremes]:
    """Return what the study's networks cost; what files tell, where it is asked for, of an example of them.

    A study that asks for none of it does without where a network does not answer a single example.
    """
    try:
        found = extremes(spec)
    except NetworkError:
        if spec.study.wanted != (ACCURACY,):
            raise
        return []
    wanted = [name for name in spec.study.wanted if OBJECTIVES[name].exported]
    if wanted:
        from ana_search.hardware.exported import exported_figures  # loads what writes and runs files

        example = exported_figures(example_plan(spec), wanted)
        found += [Extremes(name, value, value) for name, value in example.items()]
    return found


def _constraints_note(spec: StudySpec) -> str | None:
    """Return in words what becomes of trials that break a constraint."""
    if not spec.study.constraints:
        return None
    sampler = spec.study.sampler
    if sampler == "grid":
        draws = "the cells that break one before training are not trained"
    elif sampler in LEARN_FROM_CONSTRAINTS:
        draws = f"{sampler} learns from them; what breaks one before training is not trained"
    else:
        able = ", ".join(sorted(LEARN_FROM_CONSTRAINTS))
        draws = f"{sampler} draws without regard to them ({able} learn from them); what breaks one is not trained"
    return f"{draws}, and counts as one of the trials"


def _cost(timing: Timing, trials: int, epochs: float, workers: int) -> Cost:
    seconds = epochs * timing.epoch_seconds
    mean = seconds / trials
    wall = max(mean, seconds / min(workers, trials))
    return Cost(timing.device, timing.epoch_seconds, mean, seconds / 3600, workers, wall)


def parameter_rows(spec: StudySpec) -> list[SearchedParameter]:
    """Return a row for each searched key."""
    rows = []
    for name, parameter in searched(spec).items():
        if isinstance(parameter, Choice):
            values = ", ".join(map(str, parameter.choices))
        else:
            values = f"{parameter.low:g} to {parameter.high:g}" + _manner(parameter)
        rows.append(SearchedParameter(name, values, parameter.scope, key_of(name).group))
    return rows


def _manner(parameter: Range) -> str:
    if parameter.log:
        return ", log"
    return "" if parameter.step is None else f", step {parameter.step:g}"


def epochs_asked_for(spec: StudySpec) -> float:
    """Return the epochs that all trials together train, if each pruner's rung lets a third of its trials pass."""
    trials = requested_trials(spec)
    steps = rungs(spec)
    if len(steps) > 1:
        return trials * sum((epochs / 3.0**rung for rung, epochs in enumerate(steps)), 0.0)
    parameter = searched(spec).get("epochs")
    if isinstance(parameter, Choice):
        return trials * sum(float(epochs) for epochs in parameter.choices) / len(parameter.choices)
    if isinstance(parameter, Range):
        return trials * (parameter.low + parameter.high) / 2
    return float(trials * make_plan(spec, {}, 0).training.epochs)


def example_plan(spec: StudySpec) -> TrainingPlan:
    """Return a plan of the study: the first cell of its grid, or its fixed values and defaults."""
    params: TrialParams = grid(spec)[0] if spec.study.sampler == "grid" else {}
    return make_plan(spec, params, replicate_seed(spec, 0))
