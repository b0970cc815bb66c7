"""Exporting trials of a study: which ones, and their trained networks."""

import contextlib
import json
from pathlib import Path

from ana_search.confirm import confirmed
from ana_search.errors import ExportRequestError
from ana_search.export.manifest import Manifest
from ana_search.export.models import TrainedModel, export_models
from ana_search.files import write_durably
from ana_search.storage import StoredStudy, open_study
from ana_search.storage.provenance import StudyData

__all__ = ["export_study"]


def export_study(
    study: str | Path | StoredStudy,
    out: Path,
    *,
    top: int | None = None,
    trial: int | None = None,
    pareto: bool = False,
    file_format: str = "onnx",
    verify: bool = True,
    storage: str | None = None,
    runs: str | Path | None = None,
    accept_changes: bool = False,
) -> Manifest:
    """Export the best ``top`` trials (default: 1), one trial, or the Pareto front; return the manifest.

    ``accept_changes``: export although data, or a network's code, have changed since the study's start.

    Raises:
        StudyChangedError: they have, and that is not accepted.
        StudyNotFoundError: no such study or trial, or its weights are not kept.
        DamagedFileError: its weights are damaged, or not those that it was trained to.
        ExportRequestError: nothing to export, or more than one kind of choice; see `export_models` too.
    """
    if (top is not None) + (trial is not None) + pareto > 1:
        raise ExportRequestError("--top, --trial and --pareto exclude each other: give one")
    stored = open_study(study, storage, runs)
    trials = {trial.number: trial for trial in stored.complete()}
    if trial is not None:
        numbers = [trial]
    elif pareto:
        numbers = [trial.number for trial in stored.pareto()]
    else:
        numbers = list(trials)[: top or 1]  # those that break a constraint come last
    missing = [number for number in numbers if number not in trials]
    if missing or not numbers:
        what = f"trial {missing[0]} is not complete" if missing else "no trial is complete"
        if pareto and trials and not numbers:
            what = "no complete trial meets the study's constraints"
        raise ExportRequestError(f"study {stored.name!r}: {what}; allowed: {_some(list(trials))}")
    folder = stored.place.folder
    models = []
    for number in numbers:
        plan, network = stored.plan(number), stored.network(number)
        found = trials[number]
        models.append(
            TrainedModel(
                stored.name, number, plan, network, found.values[0], found.params,
                confirmed(folder.path, found.params), found.infeasible,
            )
        )  # fmt: skip
        if found.infeasible is not None:
            stored.notes.append(f"trial {number} breaks a constraint of the study: {found.infeasible}")
    data = StudyData(stored, accept_changes)
    datasets = {plan: data.dataset(plan) for plan in {model.plan.data for model in models}}
    manifest = export_models(models, out, file_format=file_format, verify=verify, datasets=datasets)
    for entry in (entry for entry in manifest.models if entry.trial in numbers):
        # For `best`. The files are there already: a run directory that cannot be written to costs this note only.
        with contextlib.suppress(OSError):
            recorded = trials[entry.trial].weights_sha256
            note = json.dumps({"accuracy": entry.accuracy.frozen, "weights_sha256": recorded})
            write_durably(folder.frozen(entry.trial), note)
    return manifest


def _some(numbers: list[int]) -> str:
    if not numbers:
        return "launch the study first"
    shown = ", ".join(map(str, sorted(numbers)[:20]))
    return f"the complete trials {shown}{', ...' if len(numbers) > 20 else ''}"
