"""Exporting trials of a study: which ones, and their trained networks."""

import contextlib
import json
from pathlib import Path
from typing import Any

from ana_search.confirm import confirmed
from ana_search.errors import ExportRequestError
from ana_search.export.models import TrainedModel, export_models
from ana_search.files import write_durably
from ana_search.results import load_trained
from ana_search.storage import locate
from ana_search.summary import best_trials, pareto_trials

__all__ = ["export_study"]


def export_study(
    study: str | Path,
    out: Path,
    *,
    top: int | None = None,
    trial: int | None = None,
    pareto: bool = False,
    file_format: str = "onnx",
    verify: bool = True,
    storage: str | None = None,
    runs: str | Path | None = None,
) -> dict[str, Any]:
    """Export the best ``top`` trials (default: 1), one trial, or the Pareto front; return the manifest.

    Raises:
        StudyNotFoundError: no such study or trial, or its weights are not kept.
        ExportRequestError: nothing to export, or more than one kind of choice; see `export_models` too.
    """
    if (top is not None) + (trial is not None) + pareto > 1:
        raise ExportRequestError("--top, --trial and --pareto exclude each other: give one")
    rows = {row["number"]: row for row in best_trials(study, top=10**9, storage=storage, runs=runs)}
    if trial is not None:
        numbers = [trial]
    elif pareto:
        numbers = sorted(pareto_trials(study, storage=storage, runs=runs))
    else:
        numbers = list(rows)[: top or 1]
    missing = [number for number in numbers if number not in rows]
    if missing or not numbers:
        what = f"trial {missing[0]} is not complete" if missing else "no trial is complete"
        raise ExportRequestError(f"study {str(study)!r}: {what}; allowed: {_some(list(rows))}")
    place = locate(study, storage, runs)
    models = []
    for number in numbers:
        plan, network = load_trained(study, number, storage, runs)
        row = rows[number]
        test = confirmed(place.folder.path, row["params"])
        models.append(TrainedModel(place.name, number, plan, network, row["value"], row["params"], test))
    manifest = export_models(models, out, file_format=file_format, verify=verify)
    for entry in manifest["models"]:
        # For `best`. The files are there already: a run directory that cannot be written to costs this note only.
        with contextlib.suppress(OSError):
            note = json.dumps({"accuracy": entry["accuracy"]["frozen"]})
            write_durably(place.folder.frozen(entry["trial"]), note)
    return manifest


def _some(numbers: list[int]) -> str:
    if not numbers:
        return "launch the study first"
    shown = ", ".join(map(str, sorted(numbers)[:20]))
    return f"the complete trials {shown}{', ...' if len(numbers) > 20 else ''}"
