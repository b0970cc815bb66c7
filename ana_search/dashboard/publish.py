"""Writing into a study what the dashboard shows beside its trials."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import optuna
import pandas as pd
from optuna.exceptions import ExperimentalWarning
from optuna_dashboard import save_plotly_graph_object

from ana_search.dashboard import notes
from ana_search.dashboard.artifacts import attach
from ana_search.dashboard.figures import Curve, attribution_figure, curves_figure, schedule_figure
from ana_search.plan import TrainingPlan
from ana_search.storage.private import system_attributes, trial_id

__all__ = ["publish"]


def publish(
    study: optuna.Study,
    frame: pd.DataFrame,
    facts: notes.StudyFacts,
    *,
    plans: Mapping[str, TrainingPlan] | None = None,
    curves: Mapping[int, Curve] | None = None,
    files: Iterable[Path] = (),
    artifacts: Path | None = None,
) -> None:
    """Write the study's note, its figures, the notes of notable trials, the metric names, and its files.

    Trials are never touched: everything is an attribute of the study, so that this is safe beside a running
    driver and works for finished trials. What has not changed is not written again.

    Args:
        study: the study in its storage.
        frame: one row a trial (`ana_search.results.load_results`).
        facts: what the note says.
        plans: title to plan, each drawn as its layers' schedules.
        curves: the accuracies of trials by epoch, drawn for the best of them.
        files: files to offer for download; they are copied.
        artifacts: the folder that keeps the copies; without it no file is offered.
    """
    if study.metric_names != list(facts.metrics):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(facts.metrics))
    notes.save(study, notes.study_note(facts, frame))
    identifiers = {trial.number: trial_id(trial) for trial in study.get_trials(deepcopy=False)}
    for number, body in notes.trial_notes(facts, frame).items():
        if number in identifiers:
            notes.save(study, body, identifiers[number])
    figures = {}
    found = facts.attribution
    if found is not None and any(group.get("share") is not None for group in (found.get("groups") or {}).values()):
        figures["attribution"] = attribution_figure(found)
    for title, plan in (plans or {}).items():
        name = "schedules-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in title.split(":")[0])
        figures[name] = schedule_figure(plan, title)
    complete = frame[frame["state"] == "COMPLETE"]
    if "infeasible" in complete:
        complete = complete[complete["infeasible"].isna()]
    complete = complete.sort_values("value", ascending=not facts.maximise[0], kind="stable")
    drawn = curves_figure(curves or {}, [int(number) for number in complete["number"]])
    if drawn is not None:
        figures["learning-curves"] = drawn
    known = system_attributes(study)
    for name, figure in figures.items():
        if _stored(known, name) != figure.to_json():
            save_plotly_graph_object(study, figure, graph_object_id=name)
    if artifacts is not None:
        attach(study, files, artifacts)


def _stored(attributes: Mapping[str, object], name: str) -> str:
    """Return the JSON of a graph that the study has, or nothing; it is kept in numbered pieces."""
    prefix = f"dashboard:plot_data:{name}:"
    count = sum(key.startswith(prefix) for key in attributes)
    return "".join(str(attributes.get(f"{prefix}{piece}", "")) for piece in range(count))
