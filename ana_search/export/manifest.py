"""The manifest: what each exported file is, and how it can be checked."""

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

from ana_search.errors import ExportRequestError
from ana_search.files import write_durably

__all__ = ["MANIFEST", "merge", "read_manifest", "sha256", "versions_of", "write_manifest"]

MANIFEST = "manifest.json"
_REQUIRED = {
    "study": str,
    "trial": int,
    "params": dict,
    "plan_hash": str,
    "format": str,
    "file": str,
    "sha256": str,
    "bytes": int,
    "accuracy": dict,
    "validation_sample": str,
}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions_of(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of ana-search, torch and ``packages``, for those that are installed."""
    versions = {}
    for package in ("ana-search", "torch", *packages):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def read_manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest of a folder.

    Raises:
        ExportRequestError: there is none, it is not JSON, or its entries lack fields or name files elsewhere.
    """
    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ExportRequestError(f"{path}: no such file; give a folder that `export` wrote") from None
    except (OSError, ValueError) as error:
        raise ExportRequestError(f"{path}: cannot be read as JSON ({error})") from None
    models = manifest.get("models") if isinstance(manifest, dict) else None
    if not isinstance(models, list):
        raise ExportRequestError(f'{path}: must be an object with a list "models"')
    faults = [fault for number, entry in enumerate(models) for fault in _faults(number, entry)]
    if faults:
        raise ExportRequestError(f"{path}: {'; '.join(faults)}")
    return dict(manifest)


def _faults(number: int, entry: Any) -> list[str]:
    where = f"models[{number}]"
    if not isinstance(entry, dict):
        return [f"{where} is not an object"]
    faults = [
        f"{where}.{key} must be {kind.__name__}, not {entry.get(key)!r}"
        for key, kind in _REQUIRED.items()
        if not isinstance(entry.get(key), kind)
    ]
    for key in ("file", "validation_sample"):
        name = entry.get(key)
        if isinstance(name, str) and (name != Path(name).name or name in ("", ".", "..")):
            faults.append(f"{where}.{key} must be a file name in the same folder, not {name!r}")
    return faults


def merge(old: dict[str, Any] | None, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the manifest with ``entries`` in place of those of the same files."""
    new = {entry["file"] for entry in entries}
    kept = [entry for entry in (old or {}).get("models", []) if entry["file"] not in new]
    return {"models": [*kept, *entries]}


def write_manifest(directory: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest of a folder."""
    write_durably(directory / MANIFEST, json.dumps(manifest, indent=2, allow_nan=False) + "\n")
