"""What commands print on stdout: a table to read, or JSON for programs, from the same plain data.

Every function takes ``(data, output, stream)``. A table is coloured and fitted to the window on a terminal;
anywhere else it is plain text that is never cut.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ana_search.cli.console import console_for, format_duration, format_value, print_json
from ana_search.cli.options import Format
from ana_search.shares import shares_by_name

__all__ = [
    "print_best",
    "print_check",
    "print_confirm",
    "print_manifest",
    "print_rerun",
    "print_status",
    "print_studies",
    "print_verdict",
]

Data = Mapping[str, Any]

_NUMBERS = frozenset({"share", "points"})  # texts that are set like numbers
_STATE_STYLES = {"COMPLETE": "green", "FAIL": "red", "PRUNED": "yellow", "RUNNING": "cyan", "WAITING": "dim"}


def print_status(status: Data, output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print the state of one study.

    ``status`` has ``study``, ``states``, ``finished``, ``requested``, ``best`` and ``retries``; where known
    also ``driver``, ``workers``, ``failures`` (reason to count, or a list of texts), ``elapsed_seconds`` and
    ``remaining_seconds``.
    """
    table = _facts(f"Study {status['study']}")
    finished, requested = status["finished"], status["requested"]
    table.add_row("finished", f"{finished} of {requested}" + (f" ({finished / requested:.0%})" if requested else ""))
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
        table.add_row("launch", format_value(status["driver"]) if status["driver"] else "not running")
    for worker in status.get("workers") or []:
        table.add_row("running", _worker(worker))
    failures = status.get("failures") or []
    if isinstance(failures, Mapping):
        failures = [f"{count} x {reason}" for reason, count in failures.items()]
    for failure in failures:
        table.add_row("failed", format_value(failure))
    if status.get("elapsed_seconds") is not None:
        table.add_row("elapsed", format_duration(status["elapsed_seconds"]))
    if status.get("remaining_seconds") is not None:
        table.add_row("time left", f"about {format_duration(status['remaining_seconds'])}")
    _print(status, [table], output, stream)


def print_best(rows: Sequence[Data], output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print the best trials, one a line: ``number``, ``value``, ``seed``, ``plan_hash`` and ``params``.

    A parameter that has the same value in every row is said once, below the table.
    """
    if not rows:
        _print(rows, [Text("No trial has finished yet.")], output, stream)
        return
    names = list(dict.fromkeys(name for row in rows for name in row["params"]))
    different = {name: len({str(row["params"].get(name)) for row in rows}) for name in names}
    shared = {name: rows[0]["params"][name] for name in names if len(rows) > 1 and different[name] == 1}
    shown = [name for name in names if name not in shared]
    flat = [
        {"trial": row["number"], "value": row["value"]}
        | ({"frozen": row.get("frozen")} if any("frozen" in each for each in rows) else {})
        | {name: row["params"].get(name) for name in shown}
        | {"seed": row.get("seed"), "plan": row.get("plan_hash")}
        for row in rows
    ]
    parts: list[RenderableType] = [_rows(flat)]
    if shared:
        parts.append(Text("in all of them: " + _parameters(shared)))
    _print(rows, parts, output, stream)


def print_studies(rows: Sequence[Data], output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print a list of studies, one a line; the columns are the fields of the rows, in their order."""
    _print(rows, [_rows(rows) if rows else Text("No study.")], output, stream)


def print_check(summary: Data, output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print what a study file asks for.

    ``summary`` has ``study`` and ``parameters``, a list of rows or a mapping from name to values; every other
    field is a fact. A field that ends in ``_seconds`` is a duration.
    """
    parts: list[RenderableType] = [Text(f"Study {summary['study']}", style="bold")]
    parameters = summary.get("parameters") or []
    if isinstance(parameters, Mapping):
        parameters = [{"searched": name, "values": values} for name, values in parameters.items()]
    parts.append(_rows(parameters) if parameters else Text("Nothing is searched: every parameter is fixed."))
    parts.append(_plain_facts({key: summary[key] for key in summary if key not in ("study", "parameters")}))
    _print(summary, parts, output, stream)


def print_verdict(result: Data, output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print what drives accuracy: the verdict, the share of each group with its interval, reasons, and files.

    ``result`` is verdict.json; where known with ``report``, ``models`` and ``next`` (a command to type).
    """
    parts: list[RenderableType] = []
    if result.get("question"):
        parts.append(Text(str(result["question"]), style="dim"))
    parts.append(Text.assemble("Verdict: ", (str(result["verdict"]), "bold green")))
    parts += [Text(f"  because: {reason}") for reason in result.get("explanations") or result.get("reasons") or []]
    level = f"{result.get('level', 0.95):.0%} interval"
    shares = [
        {
            "group": name,
            "share": _percent(group["share"]),
            level: _interval(group),
            "points": None if group.get("sd_points") is None else f"{group['sd_points']:.2f}",
        }
        for name, group in shares_by_name(result).items()
    ]
    if shares:
        parts.append(_rows(shares))
    counts = {name: count for name, count in (result.get("n") or {}).items() if count}
    if counts:
        parts.append(Text(", ".join(f"{format_value(count)} {name}" for name, count in counts.items())))
    for name in ("report", "models", "out", "next"):
        if result.get(name):
            parts.append(Text(f"{name}: {format_value(result[name])}"))
    _print(result, parts, output, stream)


def print_manifest(manifest: Data, output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print exported models, one a line: file, format, size, and the accuracies that were measured."""
    rows = []
    for model in manifest.get("models") or []:
        accuracy = model.get("accuracy") or {}
        row = {name: model.get(name) for name in ("trial", "file", "format", "bytes")}
        if model.get("bytes") and model.get("float_bytes"):
            row["smaller"] = f"{model['float_bytes'] / model['bytes']:.1f}x"
        row |= {name: accuracy.get(name) for name in ("validation", "frozen", "test") if accuracy.get(name) is not None}
        rows.append(row | {name: model[name] for name in ("verified", "equal", "problem") if name in model})
    parts: list[RenderableType] = [_rows(rows) if rows else Text("No model.")]
    parts.append(_plain_facts({key: manifest[key] for key in manifest if key not in ("models", "versions")}))
    _print(manifest, parts, output, stream)


def print_confirm(result: Data | Sequence[Data], output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print the trials that were trained again, one a line, then what holds for all."""
    _print(result, _anything(result), output, stream)


def print_rerun(comparison: Data, output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print the recorded and the repeated value of one trial, and whether they are equal."""
    _print(comparison, _anything(comparison), output, stream)


def _print(data: object, parts: Sequence[RenderableType], output: Format, stream: TextIO | None) -> None:
    """Print ``data`` as JSON, or its ``parts`` for people."""
    out = stream or sys.stdout
    if output is Format.json:
        print_json(data, out)
        return
    console = console_for(out)
    with console.capture() as captured:
        for part in parts:
            console.print(part, soft_wrap=isinstance(part, Text))
    text = captured.get()
    if not console.is_terminal:  # cells are padded to their column; a log or a file need not keep that
        text = "\n".join(line.rstrip() for line in text.splitlines()).strip("\n") + "\n"
    out.write(text)


def _anything(data: Data | Sequence[Data]) -> list[RenderableType]:
    """Return tables for plain data: lists of rows become tables, everything else facts."""
    if not isinstance(data, Mapping):
        return [_rows(data) if data else Text("Nothing.")]
    tables = {key: value for key, value in data.items() if isinstance(value, list) and value and _is_row(value[0])}
    parts: list[RenderableType] = [_rows(value) for value in tables.values()]
    return [*parts, _plain_facts({key: value for key, value in data.items() if key not in tables})]


def _is_row(value: object) -> bool:
    return isinstance(value, Mapping)


def _rows(rows: Sequence[Data]) -> Table:
    """Return one table line a row; the columns are the fields of all rows in order, numbers to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        number = all(isinstance(row.get(name), (int, float, type(None))) or name in _NUMBERS for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(format_value(row.get(name))) for name in names))
    return table


def _facts(title: str | None = None) -> Table:
    """Return a table of labels and values without rules."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    if title is not None:
        table.title = Text(title, style="bold")
        table.title_justify = "left"
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _plain_facts(facts: Data) -> Table:
    table = _facts()
    for label, value in facts.items():
        if value is not None and value != [] and value != {}:
            duration = label.endswith("_seconds")
            text = _duration(value) if duration else format_value(value)
            table.add_row(label.removesuffix("_seconds").replace("_", " "), Text(text))
    return table


def _duration(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else format_duration(seconds)


def _parameters(params: Data) -> str:
    brief = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in params.items()}
    return ", ".join(f"{name}={value}" for name, value in brief.items()) or "no parameters"


def _worker(worker: object) -> str:
    """Return what a worker does, of what is known: its name, trial, epoch, accuracy and time."""
    if not isinstance(worker, Mapping):
        return str(worker)
    known = {name: value for name, value in worker.items() if value is not None}
    parts = [str(known["worker"])] if "worker" in known else []
    parts += [f"trial {known['trial']}"] if "trial" in known else []
    parts += [f"epoch {known.get('epoch', 0)}/{known['epochs']}"] if "epochs" in known else []
    parts += [f"accuracy {format_value(known['accuracy'])}"] if "accuracy" in known else []
    parts += [f"for {format_duration(known['seconds'])}"] if "seconds" in known else []
    return ", ".join(parts)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _interval(group: Data) -> str:
    return f"{_percent(group.get('ci_low'))} to {_percent(group.get('ci_high'))}"
