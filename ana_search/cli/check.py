"""`ana-search check`: validate a study file and say what it would cost; nothing is run."""

from pathlib import Path
from typing import Annotated

import typer

from ana_search.cli.options import DEFAULT_RUNS, Format, FormatOption, ImportOption, RunsOption, StorageOption, Study

__all__ = ["EXAMPLE", "NAME", "run"]

NAME = "check"
EXAMPLE = "ana-search check quickstart --plans plans.jsonl"


def run(
    study: Study,
    output: FormatOption = Format.table,
    plans: Annotated[
        Path | None,
        typer.Option(help="Write every cell of the grid, with its layers, to this JSON-lines file."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw one plan of the study into this folder: each layer's mean and spread, and the stairs."),
    ] = None,
    timing: Annotated[bool, typer.Option(help="Time a few steps of the real network to estimate the cost.")] = True,
    workers: Annotated[int | None, typer.Option(min=1, help="Estimate the wall time for so many workers.")] = None,
    allow_import: ImportOption = False,
    storage: StorageOption = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Validate a study file: its space, its cells, its cost. Nothing is run."""
    from ana_search.cli import tables
    from ana_search.cli.opening import tell_of_data, tell_of_network
    from ana_search.estimate import estimate, write_plans
    from ana_search.studies import load_study_file

    spec = load_study_file(study, storage=storage, runs=runs, allow_import=allow_import)
    tell_of_data(spec)
    if plans is not None:
        write_plans(spec, plans)
    tell_of_network(spec)
    summary = estimate(spec, timed=timing, workers=workers)
    if plot is not None:
        from analysis.plans import draw_plan

        for path in draw_plan(spec, plot):
            typer.echo(f"drawn: {path}", err=True)
    tables.print_check(summary.to_dict(), output)
