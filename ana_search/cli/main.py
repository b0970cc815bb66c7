"""The entry point: builds the Typer application and turns errors into messages and exit codes."""

import functools
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer

from ana_search.cli import analyse, best, check, confirm, dashboard, export, launch, rerun, status, studies
from ana_search.cli.streams import finish_streams, open_streams, say
from ana_search.errors import AnaSearchError

__all__ = ["build_app", "main"]

INTERRUPTED = 130
_DEBUG = "--debug"

COMMANDS = (
    check,
    launch,
    status,
    best,
    dashboard,
    analyse,
    confirm,
    export,
    rerun,
    studies,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from ana_search import __version__

        typer.echo(__version__)
        raise typer.Exit


def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
    debug: bool = typer.Option(False, _DEBUG, help="Show the traceback of an error (accepted anywhere)."),
) -> None:
    pass


def _reporting_errors(run: Callable[..., None], debug: bool) -> Callable[..., None]:
    """Return the command with every error turned into a message on stderr and an exit code."""

    @functools.wraps(run)
    def command(*arguments: object, **options: object) -> None:
        try:
            run(*arguments, **options)
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except AnaSearchError as error:
            if debug:
                say(traceback.format_exc())
            say(f"error: {error}")
            raise typer.Exit(error.exit_code) from None
        except Exception as error:
            if debug:
                say(traceback.format_exc())
            say(f"error: {type(error).__name__}: {error}")
            if not debug:
                say("This looks like a fault of ana-search; --debug shows the traceback.")
            raise typer.Exit(1) from None

    return command


def build_app(debug: bool = False) -> typer.Typer:
    """Return the application with all its commands; `debug` adds tracebacks to error messages."""
    app = typer.Typer(
        name="ana-search",
        help="Search the noise, schedules and synchronisation of quantised networks trained with additive noise "
        "annealing. Exit codes: 0 done, 1 failed, 2 the request was wrong, 130 interrupted and resumable.",
        epilog="Example: ana-search launch quickstart",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_options)
    for command in COMMANDS:
        register = app.command(name=command.NAME, epilog=f"Example: {command.EXAMPLE}")
        register(_reporting_errors(command.run, debug))
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the code of the command."""
    open_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    code: object = 0
    try:
        with _signals_interrupt():
            build_app(debug=_DEBUG in words)([word for word in words if word != _DEBUG])
    except SystemExit as exit_:
        code = exit_.code
    except KeyboardInterrupt:  # a second Ctrl-C, while the first was being answered
        code = INTERRUPTED
    lost = finish_streams()
    if lost is not None and code in (0, None) and words[:1] != [launch.NAME]:
        say(f"error: stdout: {lost}")
        code = 1
    sys.exit(code if isinstance(code, int | str) else 0)


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, unless the caller has them ignored (``nohup``)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
