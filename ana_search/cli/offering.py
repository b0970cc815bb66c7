"""What `analyse` and `export` leave on a study's dashboard: their files, for download."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["offer_files"]


def offer_files(studies: Sequence[str], files: Iterable[Path], *, storage: str | None, runs: Path | None) -> None:
    """Offer those of the files that exist on the dashboard of every study.

    The files are there already and are what was asked for: a study that cannot be written to, such as one on a
    read-only disk, costs a line on stderr and no more.
    """
    from ana_search.dashboard import offer

    existing = [file for file in files if file.is_file()]
    for study in studies:
        try:
            offer(study, existing, storage=storage, runs=runs)
        except Exception as error:  # see above; what a storage raises has many types
            print(f"the dashboard of {study} does not offer the new files: {error}", file=sys.stderr)
