"""Opening the study that a command names, and telling what in it is damaged or left out."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ana_search import __version__
from ana_search.cli.streams import say
from ana_search.storage import StoredStudy, open_study

if TYPE_CHECKING:
    from ana_search.study_file import StudySpec

__all__ = ["opened", "tell", "tell_of_data", "tell_of_network"]

_MOST = 20  # lines; what is wrong with one file is often wrong with thousands


@contextmanager
def opened(
    study: str, storage: str | None, runs: Path | None, *, write: bool = False, allow_import: bool = False
) -> Iterator[StoredStudy]:
    """Open a study for the block (see `open_study`); at its end, tell on stderr what was left out.

    A command that met a damaged file does what can be done without it, names it, and ends with 1. With
    ``allow_import`` the file of Python code that the study's network is in is run.
    """
    stored = open_study(study, storage, runs, write=write)
    if allow_import:
        from ana_search.studies import import_network

        import_network(stored.spec)
    try:
        yield stored
    finally:
        tell(stored)
    if stored.damaged:
        raise typer.Exit(1)


def tell_of_data(spec: "StudySpec") -> None:
    """Say on stderr what a user should know of a study's data: what is left out, and which part is the test's."""
    from ana_search.data import data_notes
    from ana_search.study_file.sections import data_plan

    for note in data_notes(data_plan(spec.data, spec.quantiser)):
        say(f"note: {note}")


def tell_of_network(spec: "StudySpec") -> None:
    """Try a study's network before anything is trained (see `dry_run`), and say on stderr what was found."""
    from ana_search.export.dry_run import dry_run

    for note in dry_run(spec):
        say(f"note: {note}")


def tell(stored: StoredStudy) -> None:
    """Say on stderr, once each, what is left out of an open study and why."""
    _print("error", list(dict.fromkeys(stored.damaged)))
    lines = list(dict.fromkeys(stored.notes))
    stored.notes.clear()
    if stored.version not in (None, __version__):
        lines.append(f"study {stored.name!r} was written by ana-search {stored.version}, and this is {__version__}")
    for reason, count in Counter(stored.left_out.values()).items():
        numbers = [str(number) for number, why in stored.left_out.items() if why == reason]
        which = ", ".join(numbers[:5]) + (f" and {count - 5} more" if count > 5 else "")
        lines.append(f"trial{'s' * (count > 1)} {which} of study {stored.name!r} left out: {reason}")
    _print("note", lines)


def _print(kind: str, lines: list[str]) -> None:
    for line in lines[:_MOST]:
        print(f"{kind}: {line}", file=sys.stderr)
    if len(lines) > _MOST:
        print(f"{kind}: {len(lines) - _MOST} more like these", file=sys.stderr)
