"""What a dashboard shows of one study, read from its storage and its run directory."""

import csv
from dataclasses import dataclass
from pathlib import Path

import optuna
import pandas as pd

from ana_search.dashboard.figures import Curve
from ana_search.dashboard.notes import StudyFacts
from ana_search.errors import AnaSearchError, DamagedFileError
from ana_search.plan import TrainingPlan
from ana_search.results import load_results
from ana_search.space import describe_space, requested_trials
from ana_search.storage import StoredStudy, storage_url
from ana_search.study_file import StudySpec
from ana_search.verdict_file import VerdictDocument

__all__ = ["Shown", "gather", "write_learning_curves"]


@dataclass(frozen=True)
class Shown:
    """The table of trials, what the note says, and the plans to draw by title."""

    frame: pd.DataFrame
    facts: StudyFacts
    plans: dict[str, TrainingPlan]


def gather(stored: StoredStudy) -> Shown:
    """Return what the dashboard shows of a study."""
    spec, study = stored.spec, stored.study
    frame = load_results(stored)
    if frame.empty:  # a table of no rows has no columns
        frame = pd.DataFrame({"number": [], "state": [], "value": []})
    maximise = [direction == optuna.study.StudyDirection.MAXIMIZE for direction in study.directions]
    attribution, problem = _attribution(frame, spec)
    place = stored.place
    own = place.url == storage_url(place.folder)  # then commands find the study without --storage
    facts = StudyFacts(
        stored.name, requested_trials(spec), list(spec.study.objective), maximise, attribution, problem,
        storage=None if own else place.url, runs=place.folder.runs, constraints=spec.study.constraints,
    )  # fmt: skip
    return Shown(frame, facts, _best_plan(stored, facts))


def write_learning_curves(stored: StoredStudy, path: Path) -> dict[int, Curve]:
    """Write the learning curves of the study's trials as one CSV file; return the accuracies of each by epoch.

    One line an epoch: ``trial``, then whatever the trials' ``history.json`` recorded. Nothing is written where there
    is none; a damaged history is named in ``stored.damaged`` and left out. One history is in memory at a time.
    """
    curves: dict[int, Curve] = {}
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer: csv.DictWriter[str] | None = None
        for trial in stored.trials:
            try:
                history = stored.history(trial.number)
            except DamagedFileError as error:
                stored.damaged.append(f"{error}; it is left out")
                continue
            if not history:
                continue
            if writer is None:
                writer = csv.DictWriter(stream, ["trial", *history[0]], extrasaction="ignore")
                writer.writeheader()
            writer.writerows({"trial": trial.number} | epoch for epoch in history)
            curves[trial.number] = {int(e["epoch"]): float(e["accuracy"]) for e in history if "accuracy" in e}
    if not curves:
        path.unlink()
    return curves


def _attribution(frame: pd.DataFrame, spec: StudySpec) -> tuple[VerdictDocument | None, str | None]:
    """Return verdict.json of the trials so far, or why there is none."""
    from analysis import attribute

    if not (frame["state"] == "COMPLETE").any():
        return None, "no trial has finished"
    try:
        return attribute(frame, **describe_space(spec).options(frame.columns)).to_dict(), None
    except AnaSearchError as error:
        return None, str(error)


def _best_plan(stored: StoredStudy, facts: StudyFacts) -> dict[str, TrainingPlan]:
    """Return the plan of the best trial, by the first objective, with its title."""
    for trial in stored.complete()[:1]:
        title = f"best plan: trial {trial.number}, {facts.metrics[0]} {trial.values[0]:.4f}"
        return {title: stored.plan(trial.number)}
    return {}
