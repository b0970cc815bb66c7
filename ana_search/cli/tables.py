"""What commands print on stdout: tables to read, or JSON for programs.

Every function takes plain data, so that the same data becomes a table or JSON. A table is coloured and fitted
to the window on a terminal; anywhere else it is plain text that is never cut.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = [
    "console_for",
    "format_duration",
    "format_value",
    "print_best",
    "print_check",
    "print_json",
    "print_status",
    "print_studies",
]

_UNCUT = 10_000  # columns of something that is not a terminal: nothing is cut
_STATE_STYLES = {"COMPLETE": "green", "FAIL": "red", "PRUNED": "yellow", "RUNNING": "cyan", "WAITING": "dim"}


def console_for(stream: TextIO, *, width: int | None = None) -> Console:
    """Return a console on ``stream``: colours and the window's width on a terminal, plain text elsewhere."""
    terminal = stream.isatty()
    return Console(
        file=stream,
        width=width or (None if terminal else _UNCUT),
        no_color=None if terminal else True,
        force_terminal=None if terminal else False,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )


def format_duration(seconds: float | None) -> str:
    """Return ``h:mm:ss`` (or ``m:ss``, or days and hours); a dash for nothing or an unknown duration.

    >>> format_duration(75), format_duration(3_700), format_duration(200_000), format_duration(None)
    ('1:15', '1:01:40', '2 d 7 h', '-')
    """
    if seconds is None or not math.isfinite(seconds):
        return "-"
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def format_value(value: object) -> str:
    """Return a number with four decimals, a list of them joined by commas, anything else as it is.

    >>> format_value(0.95412345), format_value([0.9, 1280]), format_value(None), format_value(3e-5)
    ('0.9541', '0.9000, 1280', '-', '3e-05')
    """
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (float, list, tuple)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(format_value(item) for item in value)
    if not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 10_000 else f"{value:.4g}"


def print_json(data: object, stream: TextIO | None = None) -> None:
    """Print ``data`` as indented JSON; numbers that JSON cannot hold become ``null``."""
    out = stream or sys.stdout
    out.write(json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def print_status(status: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """Print the state of one study.

    ``status`` has the fields of ``status --format json``: ``study``, ``states``, ``finished``, ``requested``,
    ``best`` and ``retries``; and, where known, ``workers``, ``driver``, ``elapsed_seconds`` and
    ``remaining_seconds``.
    """
    console = console_for(stream or sys.stdout)
    table = _facts(f"Study {status['study']}")
    finished, requested = status["finished"], status["requested"]
    table.add_row("finished", f"{finished} of {requested}" + _percentage(finished, requested))
    states = Text()
    for state, count in status["states"].items():
        if count:
            states.append(f"{', ' if states else ''}{count} ")
            states.append(state, style=_STATE_STYLES.get(state, ""))
    table.add_row("trials", states or "none yet")
    if status.get("retries"):
        table.add_row("retries", str(status["retries"]))
    best = status.get("best")
    for one in [] if best is None else best if isinstance(best, list) else [best]:
        table.add_row("best", f"{format_value(one['value'])} (trial {one['number']})")
        table.add_row("", _parameters(one["params"]))
    if "driver" in status:
        table.add_row("launch", status["driver"] or "not running")
    for worker in status.get("workers") or []:
        table.add_row("worker", _worker(worker))
    if status.get("elapsed_seconds") is not None:
        table.add_row("elapsed", format_duration(status["elapsed_seconds"]))
    if status.get("remaining_seconds") is not None:
        table.add_row("time left", f"about {format_duration(status['remaining_seconds'])}")
    console.print(table)


def print_best(rows: Sequence[Mapping[str, Any]], stream: TextIO | None = None) -> None:
    """Print the best trials, one a line: ``number``, ``value``, ``seed``, ``plan_hash`` and ``params``.

    A parameter that has the same value in every row is said once, below the table.
    """
    console = console_for(stream or sys.stdout)
    if not rows:
        console.print("No trial has finished yet.")
        return
    names = list(dict.fromkeys(name for row in rows for name in row["params"]))
    shared = [
        name for name in names if len(rows) > 1 and len({str(row["params"].get(name)) for row in rows}) == 1
    ]
    shown = [name for name in names if name not in shared]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("trial", "value"):
        table.add_column(header, justify="right")
    for name in shown:
        table.add_column(name, overflow="fold")
    table.add_column("seed", justify="right")
    table.add_column("plan")
    for row in rows:
        values = [format_value(row["params"].get(name)) for name in shown]
        ends = [format_value(row.get("seed")), format_value(row.get("plan_hash"))]
        table.add_row(str(row["number"]), format_value(row["value"]), *values, *ends)
    console.print(table)
    if shared:
        console.print("in all of them: " + _parameters({name: rows[0]["params"][name] for name in shared}))


def print_studies(rows: Sequence[Mapping[str, Any]], stream: TextIO | None = None) -> None:
    """Print a list of studies, one a line; the columns are the fields of the rows, in their order."""
    console = console_for(stream or sys.stdout)
    if not rows:
        console.print("No study.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, value in rows[0].items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        table.add_column(name.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(format_value(row.get(name)) for name in rows[0]))
    console.print(table)


def print_check(
    name: str,
    parameters: Sequence[tuple[str, str, str]],
    facts: Mapping[str, str],
    stream: TextIO | None = None,
) -> None:
    """Print what a study file asks for: searched parameters as (name, values, scope), then plain facts."""
    console = console_for(stream or sys.stdout)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text(f"Study {name}", style="bold"))
    table.title_justify = "left"
    table.add_column("searched", no_wrap=True)
    table.add_column("values", overflow="fold")
    table.add_column("scope")
    for row in parameters:
        table.add_row(*row)
    if not parameters:
        table.add_row("nothing", "every parameter is fixed", "")
    console.print(table)
    plain = _facts(None)
    for label, value in facts.items():
        plain.add_row(label, value)
    console.print(plain)


def _facts(title: str | None) -> Table:
    """Return a table of labels and values without rules."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    if title is not None:
        table.title = Text(title, style="bold")
        table.title_justify = "left"
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _parameters(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_brief(value)}" for name, value in params.items()) or "no parameters"


def _brief(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _worker(worker: object) -> str:
    if not isinstance(worker, Mapping):
        return str(worker)
    text = str(worker.get("worker", "?"))
    if worker.get("trial") is not None:
        text += f": trial {worker['trial']}"
    if worker.get("epochs"):
        text += f", epoch {worker.get('epoch', 0)}/{worker['epochs']}"
    if worker.get("accuracy") is not None:
        text += f", accuracy {format_value(worker['accuracy'])}"
    return text


def _percentage(part: int, whole: int) -> str:
    return f" ({part / whole:.0%})" if whole else ""


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    if hasattr(data, "item") and not isinstance(data, str):  # a NumPy scalar
        return _finite(data.item())
    return data
