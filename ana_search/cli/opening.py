"""Opening the study that a command names, and telling what in it is damaged or left out."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from ana_search import __version__
from ana_search.storage import StoredStudy, open_study

__all__ = ["opened", "tell"]

_MOST = 20  # lines; what is wrong with one file is often wrong with thousands


@contextmanager
def opened(study: str, storage: str | None, runs: Path | None, *, write: bool = False) -> Iterator[StoredStudy]:
    """Open a study for the block (see `open_study`); at its end, tell on stderr what was left out.

    A command that met a damaged file does what can be done without it, names it, and ends with 1.
    """
    stored = open_study(study, storage, runs, write=write)
    try:
        yield stored
    finally:
        tell(stored)
    if stored.damaged:
        raise typer.Exit(1)


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
