"""From what a user types for a study to its name, its storage and its run directory."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna import Study

from ana_search import __version__
from ana_search.errors import StorageError, StudyNotFoundError, StudyVersionError
from ana_search.passwords import hide_in_url
from ana_search.storage.attributes import REQUESTED_ATTRIBUTE, SPEC_ATTRIBUTE, VERSION_ATTRIBUTE
from ana_search.storage.folders import DEFAULT_RUNS, RunFolder
from ana_search.storage.opening import open_storage, unreadable
from ana_search.storage.urls import storage_url

if TYPE_CHECKING:
    from ana_search.study_file import StudySpec

__all__ = ["StudyPlace", "locate", "read_spec", "spec_text", "version_of", "write_requested", "write_spec"]


@dataclass(frozen=True)
class StudyPlace:
    """Where a study is: the URL of its storage and its run directory."""

    name: str
    url: str
    folder: RunFolder

    def open(self, *, write: bool | None = None) -> Study:
        """Return the stored study, for writing or for reading alone; by default for writing where that is possible.

        Raises:
            StorageError: the storage cannot be opened, or not for writing.
            StudyNotFoundError: there is no such study in it.
        """
        missing = StudyNotFoundError(
            f"no study {self.name!r} in {hide_in_url(self.url)}; "
            f"`ana-search launch FILE` starts one, --storage and --runs say where to look"
        )
        if write is None:
            try:
                return self.open(write=True)
            except StorageError:  # it may be read-only; if it is damaged, opening it for reading raises the error
                return self.open(write=False)
        try:
            storage = open_storage(self.url, create=False, write=write)
        except StorageError as error:
            raise (missing if "no such file" in str(error) else error) from None
        try:
            return optuna.load_study(study_name=self.name, storage=storage)
        except KeyError:
            raise missing from None
        except Exception as error:  # a damaged storage makes its readers raise whatever they stumble on
            raise unreadable(self.url, error) from None

    def spec(self, study: Study) -> "StudySpec":
        """Return the study's specification as it was last launched. Raises as `read_spec`."""
        return read_spec(study, self.url)


def read_spec(study: Study, url: str) -> "StudySpec":
    """Return the specification that a stored study was last launched with.

    Raises:
        StudyNotFoundError: it has none, because ana-search did not make the study.
        StudyVersionError: another version of ana-search wrote it, and this one cannot read it.
    """
    from pydantic import ValidationError

    from ana_search.study_file import StudySpec  # takes seconds: it knows every data set and network

    text = spec_text(study)
    if text is None:
        raise StudyNotFoundError(
            f"study {study.study_name!r} in {hide_in_url(url)} is not one of ana-search: it has no specification"
        )
    try:
        return StudySpec.from_json(text)
    except ValidationError as error:
        first, count = error.errors(include_url=False)[0], error.error_count()
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        more = f", and {count - 1} more" if count > 1 else ""
        raise StudyVersionError(
            f"study {study.study_name!r} in {hide_in_url(url)} was written by ana-search {version_of(study)}, and this "
            f"is {__version__}: "
            f"its specification cannot be read ({where}: {first['msg']}{more}); allowed: the version that wrote it; "
            "`status` and `best` read such a study too"
        ) from None


def spec_text(study: Study) -> str | None:
    """Return the JSON of a study's specification as it is stored; ``None`` for a study that has none."""
    text = study.user_attrs.get(SPEC_ATTRIBUTE)
    return text if isinstance(text, str) else None


def write_spec(study: Study, spec: "StudySpec") -> None:
    """Store the specification that a study is launched with, and the version that wrote it."""
    study.set_user_attr(SPEC_ATTRIBUTE, spec.to_json())
    study.set_user_attr(VERSION_ATTRIBUTE, __version__)


def write_requested(study: Study, trials: int) -> None:
    """Store how many finished trials a launch is to reach."""
    study.set_user_attr(REQUESTED_ATTRIBUTE, trials)


def version_of(study: Study) -> str:
    """Return the version of ana-search that wrote the study's specification, in words."""
    stored = study.user_attrs.get(VERSION_ATTRIBUTE)
    return stored if isinstance(stored, str) else "of a version that it does not say"


def locate(study: str | Path, storage: str | None = None, runs: str | Path | None = None) -> StudyPlace:
    """Return the place of a study, given as the path of its file or by its name; nothing is opened.

    Raises:
        StudyFileError: the file does not validate.
        StudyNotFoundError: not a file, and not a name that a study can have.
    """
    text = str(study)
    base = Path(runs) if runs is not None else DEFAULT_RUNS
    if text.endswith(".toml") or Path(text).is_file():
        if not Path(text).is_file():
            raise StudyNotFoundError(
                f"study file {text!r} does not exist (seen from {Path.cwd()}){_namesake(text, base)}"
            )
        name, own_storage = _identity(Path(text))
        folder = RunFolder(base, name)
        return StudyPlace(name, storage_url(folder, storage, own_storage), folder)
    folder = RunFolder(base, text)
    return StudyPlace(text, storage_url(folder, storage), folder)


def _namesake(text: str, runs: Path) -> str:
    """Return a hint where a file is missing and a study has its name."""
    name = Path(text).stem
    return f"; a study of the name {name!r} is in {runs}/" if (runs / name).is_dir() else ""


def _identity(path: Path) -> tuple[str, str | None]:
    """Return the name and the storage that a study file gives.

    The rest of the file is read only where these two are wrong, for its list of mistakes: that takes seconds,
    and who looks at a study need not wait for it.
    """
    try:
        section = tomllib.loads(path.read_text(encoding="utf-8-sig"))["study"]
        name, storage = section["name"], section.get("storage")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        name = storage = None
    if isinstance(name, str) and isinstance(storage, str | None):
        return name, storage
    from ana_search.study_file import load_study_file

    study = load_study_file(path).study
    return study.name, study.storage
