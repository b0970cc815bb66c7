"""`ana-search launch`: run a study, or go on with it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ana_search.cli.options import DEFAULT_RUNS, AcceptOption, ImportOption, RunsOption, StorageOption, Study
from ana_search.cli.streams import say
from ana_search.errors import RunError

__all__ = ["EXAMPLE", "NAME", "run"]

NAME = "launch"
EXAMPLE = "ana-search launch quickstart --workers 2"
INTERRUPTED = 130
_PATIENCE_SECONDS = 600.0


def _again(study: str, options: Mapping[str, object], storage: str | None, runs: Path) -> str:
    """Return the command that goes on with a study, with the options that were given."""
    from ana_search.command_line import command_line

    words: list[object] = []
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            words += [name, value]
    return command_line("launch", study, *words, storage=storage, runs=runs)


def run(
    study: Study,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Finished trials wanted in all; more than before extends the study."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Trials at a time.")] = None,
    gpus_per_trial: Annotated[
        float | None, typer.Option(min=0, help="GPUs of one trial; fractions share a GPU.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster: ray://HOST:PORT or auto; default: this machine.")
    ] = None,
    storage: StorageOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Stop after so many seconds; the study stays resumable.")
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Same trials whatever the timing of the workers.")
    ] = False,
    confirm_factors: Annotated[
        bool,
        typer.Option("--confirm-factors", help="Run what the analysis needs for a verdict."),
    ] = False,
    patience: Annotated[
        float,
        typer.Option(min=0, help="Seconds to wait for a storage or a disk that is away, locked or full."),
    ] = _PATIENCE_SECONDS,
    allow_import: ImportOption = False,
    accept_changes: AcceptOption = False,
) -> None:
    """Run a study; an unfinished one goes on where it stopped.

    Ctrl-C, SIGTERM and SIGHUP let the running trials finish their epoch; a second one ends at once. Exit codes: 0
    every result is in the storage, 1 nothing succeeded or the storage was lost, 130 interrupted.
    """
    from ana_search.cli.opening import tell_of_data, tell_of_network
    from ana_search.cli.progress import progress_display
    from ana_search.runner import launch
    from ana_search.studies import load_study_file

    spec = load_study_file(study, storage=storage, runs=runs, allow_import=allow_import)
    tell_of_data(spec)
    if confirm_factors:
        from ana_search.cli.confirm_factors import deciding_study

        spec = deciding_study(spec, storage=storage, runs=runs)
    tell_of_network(spec)
    given = {
        "--trials": trials,
        "--workers": workers,
        "--gpus-per-trial": gpus_per_trial,
        "--address": address,
        "--deterministic": deterministic,
        "--confirm-factors": confirm_factors,
        "--import": allow_import,
        "--accept-changes": accept_changes,
        "--patience": None if patience == _PATIENCE_SECONDS else patience,
    }
    with progress_display(spec) as display:
        outcome = launch(
            spec,
            trials=trials,
            workers=workers,
            gpus_per_trial=gpus_per_trial,
            address=address,
            storage=storage,
            runs=runs,
            timeout=timeout,
            deterministic=deterministic,
            patience=patience,
            progress=display,
            accept_changes=accept_changes,
        )
    if outcome.interrupted:
        say(
            f"interrupted with {outcome.finished} of {outcome.requested} trials finished; "
            f"the same command goes on: {_again(study, given, storage, runs)}"
        )
        raise typer.Exit(INTERRUPTED)
    say(f"{spec.study.name}: {outcome.finished} of {outcome.requested} trials finished", sys.stdout)
    failure = outcome.failure()
    if failure is not None:
        raise RunError(failure)
