"""A study by whatever is typed for it: the path of its file, the name of a shipped one, or that of a stored one."""

from pathlib import Path

from ana_search.errors import StudyFileError, StudyNotFoundError
from ana_search.networks import import_code, is_file_name
from ana_search.shipped import find_study_file
from ana_search.storage import locate
from ana_search.study_file import StudySpec
from ana_search.study_file import load_study_file as _load_file

__all__ = ["import_network", "load_study_file"]


def load_study_file(
    study: str | Path, *, storage: str | None = None, runs: str | Path | None = None, allow_import: bool = False
) -> StudySpec:
    """Return the study that ``study`` names.

    That is, in this order, the study file at this path; the shipped study of this name; the stored study of this
    name, as it was last launched.

    Args:
        study: a path or a name.
        storage: Optuna storage URL of a stored study (default: the environment's, SQLite in the run directory).
        runs: folder of the run directories.
        allow_import: run the file of Python code that holds the study's network, where it is in one.

    Raises:
        NetworkError: a stored study's network is in a file that may not be imported, or cannot.
        StudyFileError: the file does not validate; the message lists every mistake.
        StudyNotFoundError: there is neither such a file nor such a study.
        StorageError: the storage cannot be opened.
    """
    try:
        return _load_file(find_study_file(str(study)), allow_import=allow_import)
    except StudyFileError:
        raise
    except StudyNotFoundError as no_file:
        if isinstance(study, Path) or study.endswith(".toml"):
            raise
        try:
            place = locate(study, storage, runs)
            stored = place.open()
        except StudyNotFoundError as no_study:
            raise StudyNotFoundError(f"{no_file}; and {no_study}") from None
        spec = place.spec(stored)
        if allow_import:
            import_network(spec)
        return spec


def import_network(spec: StudySpec) -> None:
    """Run the file of Python code that a study's network is in; nothing for any other network.

    Raises `NetworkError` where it cannot be imported.
    """
    if is_file_name(spec.network.name):
        import_code(spec.network.name)
