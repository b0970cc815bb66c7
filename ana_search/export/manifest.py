"""The manifest: what each exported file is, and how it can be checked."""

import hashlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ana_search.errors import DamagedFileError, ExportRequestError
from ana_search.files import write_durably
from ana_search.reading import JSON_LIMIT, read_file

__all__ = ["MANIFEST", "Accuracies", "Bits", "Manifest", "ManifestEntry", "read_manifest", "sha256", "versions_of"]

MANIFEST = "manifest.json"


def _plain(name: str) -> str:
    if name != Path(name).name or name in ("", ".", "..") or "\0" in name or len(name.encode()) > 255:
        raise ValueError("must be the name of a file in the same folder")
    return name


FileName = Annotated[str, AfterValidator(_plain)]


class _Entry(BaseModel):
    """Read strictly; what a newer version adds is kept."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)


class Accuracies(_Entry):
    """Shares of right predictions: at the end of training, of the integers, and what a confirmation found."""

    validation: float
    frozen: float
    test: Mapping[str, object] | None = None


class Bits(_Entry):
    """The bits of every layer's weights and activations and of the input; ``stored`` is the sum over all weights."""

    weights: list[int | str]
    activations: list[int | str]
    input: int | str
    stored: int


class ManifestEntry(_Entry):
    """One exported file. ``files`` are the SHA-256 of others that belong to it; ``operations`` are multiplications.

    ``input_scaling`` says how numbers become the pixels that the file reads, one ``low`` and one ``step`` a channel:
    ``round((number - low) / step)``, cut to 0 .. 255; ``None`` where the data are pixels.
    ``infeasible`` says which constraints of the study the network breaks.
    ``floating`` names what the network computes in floating point, and why.
    """

    study: str
    trial: int
    params: Mapping[str, object]
    plan_hash: str
    format: str
    file: FileName
    sha256: str
    bytes: int
    float_bytes: int | None = None
    accuracy: Accuracies
    bits: Bits | None = None
    validation_sample: FileName
    validation_sample_sha256: str | None = None
    validation_images: int | None = None
    verified: bool | None = None
    versions: Mapping[str, str] = Field(default_factory=dict)
    latency_ms: float | None = None
    operations: int | None = None
    floating: list[str] = Field(default_factory=list)
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    files: Mapping[FileName, str] = Field(default_factory=dict)
    input_scaling: Mapping[str, list[float]] | None = None
    needs: str | None = None
    infeasible: str | None = None
    note: str | None = None


class Manifest(_Entry):
    """All exported files of one folder."""

    models: list[ManifestEntry]

    def with_entry(self, entry: ManifestEntry) -> "Manifest":
        """Return the manifest with ``entry`` in the place of that of the same file."""
        return self.model_copy(update={"models": [*(old for old in self.models if old.file != entry.file), entry]})

    def as_json(self) -> dict[str, Any]:
        """Return what stands in the file."""
        return self.model_dump(mode="json")

    def write(self, directory: Path) -> None:
        """Write the manifest of a folder."""
        write_durably(directory / MANIFEST, self.model_dump_json(indent=2) + "\n")


def sha256(data: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def versions_of(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of ana-search, torch and ``packages``, for those that are installed."""
    versions = {}
    for package in ("ana-search", "torch", *packages):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest of a folder.

    Raises:
        ExportRequestError: there is none, it is not JSON, or its entries lack fields or name files elsewhere.
    """
    path = directory / MANIFEST
    try:
        return Manifest.model_validate_json(read_file(path, JSON_LIMIT))
    except DamagedFileError as error:
        raise ExportRequestError(str(error)) from None
    except FileNotFoundError:
        raise ExportRequestError(f"{path}: no such file; give a folder that `ana-search export` wrote") from None
    except ValidationError as error:
        faults = error.errors(include_url=False)
        told = "; ".join(_told(dict(fault)) for fault in faults[:_FAULTS])
        more = f"; and {len(faults) - _FAULTS} more" if len(faults) > _FAULTS else ""
        raise ExportRequestError(f"{path}: {told}{more}") from None


_FAULTS = 10


def _told(fault: dict[str, Any]) -> str:
    where = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in fault["loc"]).lstrip(".")
    text = f"{where or 'the file'}: {fault['msg']}"
    given = repr(fault["input"])
    return text if fault["type"] in ("missing", "json_invalid") else f"{text}, not {given[:80]}"
