"""The arguments and options that several commands share."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ana_search.command_line import RUNS_VARIABLE

__all__ = [
    "DEFAULT_RUNS",
    "AcceptOption",
    "Format",
    "FormatOption",
    "ImportOption",
    "RunsOption",
    "StorageOption",
    "Study",
]


DEFAULT_RUNS = Path("runs")


class Format(StrEnum):
    """How a command prints its data."""

    table = "table"
    json = "json"


def _names(incomplete: str, *folders: Path) -> list[str]:
    """Return what a shell may offer: names of shipped studies, of runs, and study files of this folder."""
    from ana_search.shipped import shipped_studies

    shipped = [row["study"] for row in shipped_studies()]
    runs = [path.name for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()) if path.is_dir()]
    files = [str(path) for path in sorted(Path().glob(f"{incomplete}*")) if path.suffix == ".toml"]
    return [name for name in dict.fromkeys([*runs, *shipped, *files]) if name.startswith(incomplete)]


def _studies(incomplete: str) -> list[str]:
    return _names(incomplete, Path(os.environ.get(RUNS_VARIABLE, DEFAULT_RUNS)))


Study = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="A study file (TOML), or the name of a shipped study or of one in the storage.",
        autocompletion=_studies,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="A table to read, or JSON for programs.")]
AcceptOption = Annotated[
    bool,
    typer.Option("--accept-changes", help="Use data or code of a network that have changed since the study's start."),
]
ImportOption = Annotated[
    bool,
    typer.Option("--import", help="Run the file of Python code that the study's network is in (FILE.py:FUNCTION)."),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        envvar="ANA_SEARCH_STORAGE",
        show_envvar=True,
        help="Optuna storage URL (sqlite:///, postgresql://, journal:///); default: SQLite in the run directory. "
        "Others can read a password given here: put it into the variable.",
    ),
]
RunsOption = Annotated[
    Path,
    typer.Option(
        "--runs",
        envvar=RUNS_VARIABLE,
        show_envvar=True,
        help="The folder that holds the run directories.",
    ),
]
