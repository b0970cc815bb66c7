"""`ana-search dashboard`: the Optuna dashboard on a study, with what ana-search adds."""

from typing import Annotated

import typer

from ana_search.cli.options import DEFAULT_RUNS, RunsOption, StorageOption, Study

__all__ = ["EXAMPLE", "NAME", "run"]

NAME = "dashboard"
EXAMPLE = "ana-search dashboard quickstart"


def run(
    study: Study,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Default: a free port, printed.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; the default is this machine alone.")] = "127.0.0.1",
    storage: StorageOption = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Serve the Optuna dashboard with the study's note, figures and files; Ctrl-C ends it."""
    from ana_search.dashboard import serve

    serve(study, storage=storage, runs=runs, host=host, port=port)
