"""What `analyse` and `export` leave on a study's dashboard: their files, for download."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ana_search.storage import StoredStudy

__all__ = ["offer_files"]


def offer_files(studies: Sequence[StoredStudy], files: Iterable[Path]) -> None:
    """Offer those of the files that exist on the dashboard of every study.

    The files are there already and are what was asked for: a study that cannot be written to, such as one on a
    read-only disk, costs a line on stderr and no more.
    """
    from ana_search.dashboard import offer

    existing = [file for file in files if file.is_file()]
    for study in studies:
        if not study.is_writable:
            print(f"note: {study.name} is read-only: its dashboard does not offer the new files", file=sys.stderr)
            continue
        try:
            offer(study, existing)
        except Exception as error:  # a storage may raise anything, and the files are written: they are then not offered
            print(f"the dashboard of {study.name} does not offer the new files: {error}", file=sys.stderr)
