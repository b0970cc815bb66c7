"""`ana-search analyse`: what drives accuracy, with its uncertainty."""

from pathlib import Path
from typing import Annotated

import typer

from ana_search.cli.options import DEFAULT_RUNS, Format, FormatOption, RunsOption, StorageOption

__all__ = ["EXAMPLE", "NAME", "run"]

NAME = "analyse"
EXAMPLE = "ana-search analyse quickstart --out results/quickstart"


def run(
    studies: Annotated[
        list[str], typer.Argument(metavar="STUDY...", help="Study files or names; several are compared.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of report.html, verdict.json, trials.csv and the figures.")],
    output: FormatOption = Format.table,
    following: Annotated[
        Path | None, typer.Option("--next", help="Write the study file that would decide an open question.")
    ] = None,
    watch: Annotated[
        float | None, typer.Option(min=1, help="Analyse again every so many seconds while the study runs.")
    ] = None,
    storage: StorageOption = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Attribute accuracy to synchronisation, shape and the rest; write the report."""
    from ana_search.cli import tables
    from ana_search.cli.analysis import analyse_studies, watch_studies

    if watch is None:
        result = analyse_studies(studies, out, following=following, storage=storage, runs=runs)
    else:
        result = watch_studies(studies, out, every=watch, following=following, storage=storage, runs=runs)
    tables.print_verdict(result, output)
    if "damaged" in result:
        raise typer.Exit(1)
