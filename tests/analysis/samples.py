"""Trials of real study files with made-up outcomes: tables, plans and learning curves as a launch leaves them."""

import dataclasses
import functools
from typing import Any

import numpy as np
import optuna
import pandas as pd

from ana_search.plan import TrainingPlan
from ana_search.planner import make_plan
from ana_search.shipped import find_study_file
from ana_search.space import grid, layer_count, replicate_seed, suggest
from ana_search.study_file import StudySpec, load_study_file
from analysis import attribute
from analysis.attribution import points_of
from analysis.figures import FigureInput

EFFECTS = {"overlapped": 0.86, "same_start": 0.89, "same_end": 0.76, "partition": 0.92}


@dataclasses.dataclass(frozen=True)
class Trials:
    """A study's table of trials, their plans and their learning curves by number."""

    spec: StudySpec
    frame: pd.DataFrame
    plans: dict[int, TrainingPlan]
    histories: dict[int, list[dict[str, Any]]]

    def first(self, trials: int) -> "Trials":
        """Return the study as it was after its first trials."""
        keep = range(trials)
        plans = {n: self.plans[n] for n in keep}
        return Trials(self.spec, self.frame.head(trials), plans, {n: self.histories[n] for n in keep})


@functools.cache
def shipped(name: str) -> StudySpec:
    return load_study_file(find_study_file(name))


@functools.cache
def quickstart(trials: int = 100) -> Trials:
    """Return the quickstart's grid (32 cells), as often over as is needed."""
    spec = shipped("quickstart")
    cells = grid(spec)
    order = [(cells[n % len(cells)], n // len(cells)) for n in range(trials)]
    return _trials(spec, [params for params, _ in order], [replicate for _, replicate in order])


@functools.cache
def search(trials: int = 100) -> Trials:
    """Return random, unpruned trials of the per-layer study: a family and an offset in every layer."""
    spec = shipped("per_layer")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    drawn = []
    for _ in range(trials):
        trial = study.ask()
        suggest(trial, spec)
        drawn.append(trial.params)
    return _trials(spec, drawn, list(range(trials)))


def _trials(spec: StudySpec, drawn: list[Any], replicates: list[int]) -> Trials:
    generator = np.random.default_rng(5)
    rows, plans, histories = [], {}, {}
    for number, (params, replicate) in enumerate(zip(drawn, replicates, strict=True)):
        seed = replicate_seed(spec, replicate)
        value = EFFECTS[str(params.get("interval", "same_start"))] + generator.normal(0, 0.015)
        value -= 0.1 * abs(float(params.get("offset.1", 0.0)))
        row = {"number": number, "state": "COMPLETE", "value": value, "seed": seed, "replicate": replicate}
        rows.append(row | dict(params))
        plans[number] = make_plan(spec, params, seed)
        histories[number] = [_epoch(epoch, value, layer_count(spec), generator) for epoch in range(1, 21)]
    return Trials(spec, pd.DataFrame(rows), plans, histories)


def _epoch(epoch: int, value: float, layers: int, generator: np.random.Generator) -> dict[str, Any]:
    gap = [0.3 * max(0.0, 1 - epoch / (8 + 2 * layer)) for layer in range(layers)]
    return {"epoch": epoch, "accuracy": value * (1 - 0.6**epoch) + generator.normal(0, 0.003), "gap": gap}


def figure_input(trials: Trials, **options: Any) -> FigureInput:
    """Return what the figures of these trials are computed from."""
    found = attribute(trials.frame, draws=500, **options)
    return FigureInput(
        attribution=found,
        trials=trials.frame.reset_index(drop=True),
        histories=trials.histories,
        plans=trials.plans,
        scale=points_of(found.sample.outcome),
        layers=layer_count(trials.spec),
    )
