"""From what a user types for a study to its name, its storage and its run directory."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna import Study

from ana_search.errors import StorageError, StudyNotFoundError
from ana_search.storage.folders import DEFAULT_RUNS, RunFolder
from ana_search.storage.opening import open_storage
from ana_search.storage.urls import hide_password, storage_url

if TYPE_CHECKING:
    from ana_search.study_file import StudySpec

__all__ = ["REQUESTED_ATTRIBUTE", "SPEC_ATTRIBUTE", "StudyPlace", "locate"]

SPEC_ATTRIBUTE = "spec"
REQUESTED_ATTRIBUTE = "requested"
"""The finished trials that the last launch was to reach."""


@dataclass(frozen=True)
class StudyPlace:
    """Where a study is: the URL of its storage and its run directory."""

    name: str
    url: str
    folder: RunFolder

    def open(self) -> Study:
        """Return the stored study.

        Raises:
            StorageError: the storage cannot be opened.
            StudyNotFoundError: there is no such study in it.
        """
        missing = StudyNotFoundError(
            f"no study {self.name!r} in {hide_password(self.url)}; "
            f"`ana-search launch FILE` starts one, --storage and --runs say where to look"
        )
        try:
            storage = open_storage(self.url, create=False)
        except StorageError as error:
            raise (missing if "no such file" in str(error) else error) from None
        try:
            return optuna.load_study(study_name=self.name, storage=storage)
        except KeyError:
            raise missing from None

    def spec(self, study: Study) -> "StudySpec":
        """Return the study's specification as it was last launched."""
        from ana_search.study_file import StudySpec  # takes seconds: it knows every data set and network

        text = study.user_attrs.get(SPEC_ATTRIBUTE)
        if not isinstance(text, str):
            raise StudyNotFoundError(f"study {self.name!r} in {hide_password(self.url)} is not one of ana-search")
        return StudySpec.from_json(text)


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
        section = tomllib.loads(path.read_text(encoding="utf-8"))["study"]
        name, storage = section["name"], section.get("storage")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        name = storage = None
    if isinstance(name, str) and isinstance(storage, str | None):
        return name, storage
    from ana_search.study_file import load_study_file

    study = load_study_file(path).study
    return study.name, study.storage
