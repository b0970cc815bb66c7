"""`ana-search rerun`: train the plan of one trial again."""

from typing import Annotated

import typer

from ana_search.cli.options import DEFAULT_RUNS, Format, FormatOption, RunsOption, StorageOption, Study

__all__ = ["EXAMPLE", "NAME", "run"]

NAME = "rerun"
EXAMPLE = "ana-search rerun quickstart --trial 3"


def run(
    study: Study,
    trial: Annotated[int, typer.Option(min=0, help="Number of the trial.")],
    output: FormatOption = Format.table,
    storage: StorageOption = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Train a trial's plan again in this process; on the CPU it must give the recorded value (exit 1 if not)."""
    from ana_search.cli import tables
    from ana_search.summary import rerun_trial

    comparison = rerun_trial(study, trial, storage=storage, runs=runs)
    tables.print_rerun(comparison, output)
    if not comparison["equal"]:
        raise typer.Exit(1)
