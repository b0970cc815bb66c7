"""`ana-search rerun`: train the plan of one trial again."""

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

NAME = "rerun"
EXAMPLE = "ana-search rerun quickstart --trial 3"


def run(
    study: Study,
    trial: Annotated[int, typer.Option(min=0, help="Number of the trial.")],
    output: FormatOption = Format.table,
    allow_import: ImportOption = False,
    accept_changes: AcceptOption = False,
    storage: StorageOption = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Train a trial's plan again, with the recorded device and threads; another value ends with exit code 1.

    On the same kind of machine every bit must be the same. Where the GPU, the processor or PyTorch is another one,
    that is said, and the values may lie five points apart.
    """
    from dataclasses import asdict

    from ana_search.cli import tables
    from ana_search.cli.opening import opened
    from ana_search.rerun import rerun_trial

    with opened(study, storage, runs, allow_import=allow_import) as stored:
        comparison = rerun_trial(stored, trial, accept_changes=accept_changes)
    tables.print_rerun(asdict(comparison), output)
    if not comparison.equal or comparison.weights is not None:
        raise typer.Exit(1)
