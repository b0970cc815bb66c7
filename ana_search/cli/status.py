"""`ana-search status`: how far a study is."""

import gc

from ana_search.cli.options import DEFAULT_RUNS, Format, FormatOption, RunsOption, StorageOption, Study

__all__ = ["EXAMPLE", "NAME", "run"]

NAME = "status"
EXAMPLE = "ana-search status quickstart --format json"


def run(
    study: Study,
    output: FormatOption = Format.table,
    storage: StorageOption = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Show the states of a study's trials, the best, retries, failures with their reasons, and the time left."""
    # Reading trials makes many objects and no garbage; Python's garbage collector would double the time.
    gc.disable()
    from ana_search.cli import tables
    from ana_search.cli.opening import opened
    from ana_search.summary import study_status

    with opened(study, storage, runs) as stored:
        tables.print_status(study_status(stored), output)
