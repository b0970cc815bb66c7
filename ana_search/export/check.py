"""Checking a folder of exported files, which may come from anywhere: are they whole, and what the manifest says?"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ana_search.errors import DamagedFileError, ExportRequestError
from ana_search.export.formats import FORMATS, Runner
from ana_search.export.manifest import MANIFEST, Manifest, ManifestEntry, read_manifest, sha256
from ana_search.reading import file_inside, parse_arrays, read_file
from ana_search.storage import locate

__all__ = ["check_directory"]

_METADATA = ("study", "trial", "plan_hash")


def check_directory(directory: Path, study: str | None = None) -> Manifest:
    """Check every file that a folder's manifest names, by running it on its validation sample; return the manifest.

    ``study`` is the study that the files must be of: its name, or its study file. No file is trusted: whatever could
    run code, or read another file, is refused before its runtime sees it.

    Raises:
        ExportRequestError: files that are missing, truncated or altered, that belong to another study, that no
            runtime loads or that predict something else; the message lists all of them.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    wanted = None if study is None else locate(study).name
    faults: list[str] = []
    if not manifest.models:
        faults.append(f"{MANIFEST} lists no models")
    for entry in manifest.models:
        try:
            _check(directory, entry, wanted)
        except (ExportRequestError, DamagedFileError) as error:
            faults.append(f"{entry.file}: {error}")
    if faults:
        raise ExportRequestError(f"{directory} must not be used: {'; '.join(faults)}")
    return manifest


def _check(directory: Path, entry: ManifestEntry, study: str | None) -> None:
    if study is not None and entry.study != study:
        raise ExportRequestError(f"it is of study {entry.study!r}, not of {study!r}")
    if entry.format not in FORMATS:
        raise ExportRequestError(f"its format is {entry.format!r}; allowed are {', '.join(FORMATS)}")
    path, beside = (file_inside(directory, name) for name in (entry.file, entry.validation_sample))
    data, sample = read_file(path), read_file(beside)
    if len(data) != entry.bytes:
        what = "truncated" if len(data) < entry.bytes else "too long"
        raise ExportRequestError(f"it is {what}: {len(data)} bytes, the manifest says {entry.bytes}")
    if sha256(data) != entry.sha256:
        raise ExportRequestError(f"it was altered: its SHA-256 is {sha256(data)}, the manifest says {entry.sha256}")
    if entry.validation_sample_sha256 not in (None, sha256(sample)):
        raise ExportRequestError(
            f"its validation sample {entry.validation_sample} was altered: the SHA-256 differs from the manifest's"
        )
    chosen = FORMATS[entry.format]
    for name, wanted in entry.files.items():
        if sha256(read_file(file_inside(directory, name))) != wanted:
            raise ExportRequestError(f"its file {name} was altered: the SHA-256 differs from the manifest's")
    runner = None if chosen.is_program else chosen.open(data)
    metadata = chosen.metadata(data) if runner is None else runner.metadata
    for key in _METADATA:
        inside = metadata.get(f"ana_search.{key}")
        if inside != str(getattr(entry, key)):
            raise ExportRequestError(f"its {key} is {inside!r}, but the manifest is of {key} {getattr(entry, key)!r}")
    inputs, predictions = parse_arrays(sample, beside, ("inputs", "predictions"))
    if not inputs.ndim or predictions.ndim != 1 or not len(inputs) or len(inputs) != len(predictions):
        raise ExportRequestError(
            f"its validation sample {entry.validation_sample} holds arrays of shapes {inputs.shape} and "
            f"{predictions.shape}; allowed are some inputs, and one prediction for each"
        )
    if runner is None:
        return  # a program from elsewhere is not run
    found = _predictions(runner, inputs)
    if not np.array_equal(found, predictions):
        wrong = int((found != predictions).sum())
        raise ExportRequestError(
            f"{wrong} of {len(predictions)} predictions differ from those in {entry.validation_sample}"
        )


def _predictions(runner: Runner, inputs: NDArray[np.generic]) -> NDArray[np.int64]:
    batches = range(0, len(inputs), runner.batch)
    try:
        return np.concatenate([runner.logits(inputs[b : b + runner.batch]).argmax(axis=1) for b in batches])
    except Exception as error:  # whatever a runtime raises for inputs or a graph that it cannot run
        raise ExportRequestError(f"its runtime cannot run it on its sample ({str(error)[:200]})") from error
