"""Files beside a study: reports, models and learning curves that the dashboard offers for download."""

import filecmp
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact

from ana_search.files import new_file
from ana_search.storage.private import system_attributes

ARTIFACTS_ATTR_PREFIX = "artifacts:"  # where Optuna lists a study's files, among its system attributes

__all__ = ["artifact_store", "attach"]


def artifact_store(folder: Path) -> FileSystemArtifactStore:
    """Return the store of the files in ``folder``, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return FileSystemArtifactStore(str(folder))


def attach(study: optuna.Study, files: Iterable[Path], folder: Path) -> list[str]:
    """Put copies of ``files`` into ``folder`` and list them in the study; return the names that were new.

    A file that was attached before under the same name is replaced where it differs, never listed twice.
    """
    store = artifact_store(folder)
    known = _listed(study)
    added = []
    for path in files:
        if path.name not in known:
            known[path.name] = upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=study)
            added.append(path.name)
        elif not _same(path, folder / known[path.name]):
            _replace(path, folder / known[path.name])
    return added


def _listed(study: optuna.Study) -> dict[str, str]:
    """Return file name to identifier; a file that some dashboard removed is listed as null."""
    attributes = system_attributes(study).items()
    listed = [json.loads(str(text)) for key, text in attributes if key.startswith(ARTIFACTS_ATTR_PREFIX)]
    return {one["filename"]: one["artifact_id"] for one in listed if one is not None}


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def _replace(source: Path, target: Path) -> None:
    """Copy a file over another in one step, so that a download under way sees the one or the other."""
    with new_file(target) as unfinished:
        shutil.copyfile(source, unfinished)
