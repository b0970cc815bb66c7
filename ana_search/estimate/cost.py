"""What a study asks for and what it would cost on this machine."""

from typing import Any

from ana_search.estimate.timing import Timing, time_training
from ana_search.plan import TrainingPlan
from ana_search.planner import make_plan
from ana_search.space import (
    TrialParams,
    cell_count,
    grid,
    layer_count,
    replicate_seed,
    requested_trials,
    rungs,
    searched,
)
from ana_search.study_file import Choice, Range, StudySpec

__all__ = ["estimate"]


def estimate(spec: StudySpec, timed: bool = True, workers: int | None = None) -> dict[str, Any]:
    """Return what the study asks for, as plain data for `ana-search check`.

    ``timed``: also train a few steps of the real network on this machine, with the threads or the GPU that one
    trial would have, and say what the study would cost on it: ``device_hours`` in all, ``wall_seconds`` with
    ``workers`` trials at a time (default: the study's). Reading or downloading images is not needed.

    Raises `NetworkError` or `DataError` where network or data cannot be used as asked.
    """
    trials, epochs = requested_trials(spec), epochs_asked_for(spec)
    gridded = spec.study.sampler == "grid"
    summary: dict[str, Any] = {
        "study": spec.study.name,
        "parameters": parameter_rows(spec),
        "sampler": spec.study.sampler,
        "pruner": spec.study.pruner,
        "layers": layer_count(spec),
        "cells": cell_count(spec) if gridded else None,
        "replicates": spec.replicates,
        "trials": trials,
        "epochs": round(epochs),
    }
    if len(rungs(spec)) > 1:
        summary["rungs"] = rungs(spec)
    if timed:
        workers = workers or spec.resources.workers
        timing = time_training(example_plan(spec), spec.resources.cpus_per_trial, spec.resources.gpus_per_trial)
        summary |= _cost(timing, trials, epochs, workers)
    return summary


def _cost(timing: Timing, trials: int, epochs: float, workers: int) -> dict[str, Any]:
    seconds = epochs * timing.epoch_seconds
    mean = seconds / trials
    return {
        "device": timing.device,
        "epoch_seconds": timing.epoch_seconds,
        "trial_seconds": mean,
        "device_hours": seconds / 3600,
        "workers": workers,
        "wall_seconds": max(mean, seconds / min(workers, trials)),
    }


def parameter_rows(spec: StudySpec) -> list[dict[str, str]]:
    """Return a row for each searched key: its values, and whether every layer has its own."""
    rows = []
    for name, parameter in searched(spec).items():
        if isinstance(parameter, Choice):
            values = ", ".join(map(str, parameter.choices))
        else:
            values = f"{parameter.low:g} to {parameter.high:g}" + _manner(parameter)
        rows.append({"parameter": name, "values": values, "scope": parameter.scope})
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
