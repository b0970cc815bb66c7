"""`ana-search confirm`: the best again, with fresh seeds and the untouched test set."""

from typing import Annotated

import typer

from ana_search.cli.options import (
    DEFAULT_RUNS,
    AcceptOption,
    Format,
    FormatOption,
    ImportOption,
    RunsOption,
    StorageOption,
    Study,
)

__all__ = ["EXAMPLE", "NAME", "run"]

NAME = "confirm"
EXAMPLE = "ana-search confirm quickstart --top 3 --seeds 5"


def run(
    study: Study,
    top: Annotated[int, typer.Option(min=1, help="The best so many parameter sets.")] = 1,
    seeds: Annotated[int, typer.Option(min=2, help="Fresh seeds for each.")] = 5,
    output: FormatOption = Format.table,
    allow_import: ImportOption = False,
    accept_changes: AcceptOption = False,
    storage: StorageOption = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Train the best again with fresh seeds and test them on images that the search never saw."""
    from ana_search.cli import tables
    from ana_search.cli.opening import opened
    from ana_search.confirm import confirm_study

    with opened(study, storage, runs, allow_import=allow_import) as stored:
        tables.print_confirm(confirm_study(stored, top=top, seeds=seeds, accept_changes=accept_changes), output)
