"""The arguments and options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Format", "FormatOption", "RunsOption", "StorageOption", "Study", "StudyFile"]


class Format(StrEnum):
    """How a command prints its data."""

    table = "table"
    json = "json"


StudyFile = Annotated[str, typer.Argument(metavar="STUDY", help="A study file (TOML), or the name of a shipped study.")]
Study = Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or the name of a study in the storage.")]
FormatOption = Annotated[Format, typer.Option("--format", help="A table to read, or JSON for programs.")]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        envvar="ANA_SEARCH_STORAGE",
        show_envvar=True,
        help="Optuna storage URL (sqlite:///, postgresql://, journal:///); default: SQLite in the run directory.",
    ),
]
RunsOption = Annotated[
    Path,
    typer.Option(
        "--runs",
        envvar="ANA_SEARCH_RUNS",
        show_envvar=True,
        help="The folder that holds the run directories.",
    ),
]
DEFAULT_RUNS = Path("runs")
