"""From studies to the analysis and back: what `analyse` does, once or repeatedly."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ana_search.cli.offering import offer_files
from ana_search.cli.opening import tell
from ana_search.command_line import command_line
from ana_search.errors import NetworkError, StudyVersionError
from ana_search.plan import TrainingPlan
from ana_search.planner import make_plan
from ana_search.results import load_results
from ana_search.space import describe_space, layer_count
from ana_search.storage import StoredStudy, open_study
from ana_search.study_file import StudySpec
from ana_search.study_file.parameters import Value
from ana_search.verdict_file import AnalysedStudies, VerdictDocument
from analysis import report
from analysis.report import AttributeOptions, StudyInfo

__all__ = ["analyse_studies", "watch_studies"]


def analyse_studies(
    studies: Sequence[str],
    out: Path,
    *,
    following: Path | None = None,
    storage: str | None = None,
    runs: Path | None = None,
    refresh: int | None = None,
) -> AnalysedStudies:
    """Write the report of one study, or of several side by side; return the first verdict and the paths."""
    frames: dict[str, pd.DataFrame] = {}
    information: dict[str, StudyInfo] = {}
    opened = []
    for study in studies:
        stored = open_study(study, storage, runs, write=True)
        opened.append(stored)
        frame = load_results(stored)
        frames[stored.name] = frame
        information[stored.name] = {
            "name": stored.name,
            "commands": [
                command_line("launch", study, storage=storage, runs=runs),
                command_line("analyse", study, "--out", out, storage=storage, runs=runs),
            ],
            "launch_next": None if following is None else command_line("launch", following, storage=storage, runs=runs),
            "histories": stored.histories(),
            "references": stored.float_references(),
            **_specified(stored, frame),
        }
        tell(stored)
    first = next(iter(frames))
    several = len(frames) > 1
    found = report(
        frames if several else frames[first],
        out,
        info=information if several else information[first],
        next_path=following,
        refresh=refresh,
    )
    written = [out / name for name in ("report.html", "verdict.json", "trials.csv")]
    offer_files(opened, written)
    words = _next_command(studies[0], found.attribution.power["next"]["runs"], found.next_study, following)
    models = sorted(str(path) for path in (out / "models").glob("*.onnx"))
    verdict: VerdictDocument = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
    page, command = str(out / "report.html"), command_line(*words, storage=storage, runs=runs)
    damaged = [line for stored in opened for line in stored.damaged]
    result: AnalysedStudies = {**verdict, "report": page, "models": models, "damaged": damaged, "next": command}
    if not models:
        del result["models"]
    if not damaged:
        del result["damaged"]
    return result


def watch_studies(
    studies: Sequence[str],
    out: Path,
    *,
    every: float,
    following: Path | None = None,
    storage: str | None = None,
    runs: Path | None = None,
) -> AnalysedStudies:
    """Analyse again every so many seconds until all studies are finished, or until Ctrl-C.

    It waits for the first finished trial of each.
    """
    from ana_search.summary import study_status

    while True:
        states = [study_status(study, storage=storage, runs=runs) for study in studies]
        over = all(state["finished"] >= (state["requested"] or 0) for state in states)
        if not all(state["finished"] for state in states):
            time.sleep(every)
            continue
        result = analyse_studies(
            studies,
            out,
            following=following,
            storage=storage,
            runs=runs,
            refresh=None if over else int(every),
        )
        if over:
            return result
        time.sleep(every)


def _specified(stored: StoredStudy, frame: pd.DataFrame) -> StudyInfo:
    """Return what the report takes from the specification; nothing where another version wrote it."""
    try:
        spec = stored.spec
    except StudyVersionError as error:
        stored.notes.append(f"{error}; the report does without plans")
        return {}
    known = describe_space(spec).options(frame.columns)
    specified: StudyInfo = {
        "spec": json.loads(spec.to_json()),
        "options": AttributeOptions(
            ranges=known["ranges"],
            conditions=known["conditions"],
            categorical=known["categorical"],
            sampler=known["sampler"],
        ),
    }
    try:
        specified["layers"], specified["plans"] = layer_count(spec), _plans(spec, frame)
    except NetworkError as error:  # in a file of code that nobody has imported
        stored.notes.append(f"{error}; the report does without plans")
    return specified


def _plans(spec: StudySpec, frame: pd.DataFrame) -> dict[int, TrainingPlan]:
    """Return the plan of the best and of the worst complete trial: those that the report draws."""
    complete = frame[frame["state"] == "COMPLETE"] if len(frame) else frame
    if not len(complete):
        return {}
    names = [name for name in frame.columns if name.split(".")[0] in spec.space.parameters]
    plans = {}
    ends: set[Any] = {complete["value"].idxmax(), complete["value"].idxmin()}
    for position in ends:
        row = complete.loc[position]
        params = {name: _plain(row[name]) for name in names if row[name] == row[name] and row[name] is not None}
        plans[int(row["number"])] = make_plan(spec, params, int(row["seed"]))
    return plans


def _plain(value: Any) -> Value:
    """Return a value of the table as Python's own number or text, which JSON can hold."""
    plain: Value = value.item() if hasattr(value, "item") else value
    return plain


def _next_command(study: str, runs: bool, written: Path | None, following: Path | None) -> list[object]:
    """Return the command to run next: what would decide an open verdict or, with nothing to run, the dashboard."""
    if runs and written is not None and following is not None:
        return ["launch", following]
    if runs:
        return ["launch", study, "--confirm-factors"]
    return ["dashboard", study]
