"""`ana-search best`: the best trials of a study."""

import gc
from typing import Annotated

import typer

from ana_search.cli.options import DEFAULT_RUNS, Format, FormatOption, RunsOption, StorageOption, Study

__all__ = ["EXAMPLE", "NAME", "run"]

NAME = "best"
EXAMPLE = "ana-search best quickstart --top 5"


def run(
    study: Study,
    top: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    output: FormatOption = Format.table,
    storage: StorageOption = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Show the best trials with their parameters."""
    # Reading trials makes many objects and no garbage; Python's garbage collector would double the time.
    gc.disable()
    from ana_search.cli import tables
    from ana_search.cli.opening import opened
    from ana_search.summary import best_trials

    with opened(study, storage, runs) as stored:
        tables.print_best(best_trials(stored, top=top), output)
