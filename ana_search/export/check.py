"""Checking a folder of exported files: are they whole, and are they what the manifest says?"""

from pathlib import Path
from typing import Any

import numpy as np

from ana_search.errors import DamagedFileError, ExportRequestError
from ana_search.export.formats import FORMATS, get_format
from ana_search.export.manifest import MANIFEST, read_manifest, sha256
from ana_search.reading import read_arrays
from ana_search.storage import locate

__all__ = ["check_directory"]

_METADATA = ("study", "trial", "plan_hash")


def check_directory(directory: Path, study: str | None = None) -> dict[str, Any]:
    """Check every file that a folder's manifest names, by running it on its validation sample; return the manifest.

    ``study`` is the study that the files must be of: its name, or its study file.

    Raises:
        ExportRequestError: files that are missing, truncated or altered, that belong to another study, that no
            runtime loads or that predict something else; the message lists all of them.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    wanted = None if study is None else locate(study).name
    faults: list[str] = []
    if not manifest["models"]:
        faults.append(f"{MANIFEST} lists no models")
    for entry in manifest["models"]:
        try:
            _check(directory, entry, wanted)
        except ExportRequestError as error:
            faults.append(f"{entry['file']}: {error}")
    if faults:
        raise ExportRequestError(f"{directory} must not be used: {'; '.join(faults)}")
    return manifest


def _check(directory: Path, entry: dict[str, Any], study: str | None) -> None:
    if study is not None and entry["study"] != study:
        raise ExportRequestError(f"it is of study {entry['study']!r}, not of {study!r}")
    if entry["format"] not in FORMATS:
        raise ExportRequestError(f"its format is {entry['format']!r}; allowed are {', '.join(FORMATS)}")
    path, sample = directory / entry["file"], directory / entry["validation_sample"]
    for each in (path, sample):
        if not each.is_file():
            raise ExportRequestError(f"the file {each.name} is missing")
    size = path.stat().st_size
    if size != entry["bytes"]:
        what = "truncated" if size < entry["bytes"] else "too long"
        raise ExportRequestError(f"it is {what}: {size} bytes, the manifest says {entry['bytes']}")
    if sha256(path) != entry["sha256"]:
        raise ExportRequestError(f"it was altered: its SHA-256 is {sha256(path)}, the manifest says {entry['sha256']}")
    if sha256(sample) != entry.get("validation_sample_sha256", sha256(sample)):
        raise ExportRequestError(
            f"its validation sample {sample.name} was altered: the SHA-256 differs from the manifest's"
        )
    runner = get_format(entry["format"]).open(path)
    for key in _METADATA:
        inside = runner.metadata.get(f"ana_search.{key}")
        if inside != str(entry[key]):
            raise ExportRequestError(f"its {key} is {inside!r}, but the manifest is of {key} {entry[key]!r}")
    inputs, predictions = _sample(sample)
    batches = range(0, len(inputs), runner.batch)
    found = np.concatenate([runner.logits(inputs[b : b + runner.batch]).argmax(axis=1) for b in batches])
    if not np.array_equal(found, predictions):
        wrong = int((found != predictions).sum())
        raise ExportRequestError(f"{wrong} of {len(predictions)} predictions differ from those in {sample.name}")


def _sample(path: Path) -> tuple[Any, Any]:
    try:
        inputs, predictions = read_arrays(path, ("inputs", "predictions"))
    except (FileNotFoundError, DamagedFileError) as error:
        raise ExportRequestError(f"its validation sample {path.name} cannot be read ({error})") from None
    if not len(inputs) or len(inputs) != len(predictions):
        raise ExportRequestError(
            f"its validation sample {path.name} holds {len(inputs)} inputs and {len(predictions)} predictions"
        )
    return inputs, predictions
