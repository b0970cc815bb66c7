"""The study files that come with the package, found by name.

In a checkout they are the folder ``studies/`` of the repository; a wheel carries the same files as
``ana_search/shipped_studies/``.
"""

import difflib
from pathlib import Path

from ana_search.errors import StudyNotFoundError

__all__ = ["find_study_file", "shipped_folder", "shipped_studies"]

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder() -> Path:
    """Return the folder of the shipped studies. Raises `StudyNotFoundError` where there is none."""
    for folder in (_PACKAGE / "shipped_studies", _PACKAGE.parent / "studies"):
        if folder.is_dir():
            return folder
    raise StudyNotFoundError(f"the shipped studies are missing beside {_PACKAGE}; install the package again")


def find_study_file(study: str) -> Path:
    """Return the path of a study file: ``study`` is a path, or the name of a shipped study.

    A file of that name comes first. Raises `StudyNotFoundError` where there is neither.
    """
    path = Path(study)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in _files()}
    if study in shipped:
        return shipped[study]
    close = difflib.get_close_matches(path.stem, shipped, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    what = "is a folder" if path.is_dir() else "does not exist"
    names = ", ".join(shipped)
    raise StudyNotFoundError(f"no file {study!r}: it {what}{hint}; allowed: a TOML file, or a shipped study: {names}")


def shipped_studies() -> list[dict[str, str]]:
    """Return a row for each shipped study: its name, the question it asks, its cost and the command.

    All but the name come from the comment that opens the file: the command, the question, ``Cost: ...``.
    """
    rows = []
    for file in _files():
        command, question, cost = _header(file)
        rows.append({"study": file.stem, "question": question, "cost": cost, "command": command})
    return rows


def _files() -> list[Path]:
    return sorted(shipped_folder().glob("*.toml"))


def _header(file: Path) -> tuple[str, str, str]:
    """Return the command, the first sentence of the question, and the cost, from the opening comment."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    command, *rest = lines
    question, _, cost = " ".join(rest).partition("Cost: ")
    first = min((question.find(end) + 1 for end in ("? ", ". ") if end in question), default=len(question))
    return command, question[:first].strip(), cost.strip()
