"""What commands print on stdout: a table to read, or JSON for programs, from the same plain data.

Every function takes ``(data, output, stream)``. A table fits the terminal's width, or 80 columns where there is no
terminal; what does not fit into columns is said below it. Commands and paths are never wrapped.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from ana_search.cli.console import console_for, format_duration, format_value, print_json
from ana_search.cli.layout import command, facts_table, fits, indented, prose, rows_table, write
from ana_search.cli.options import Format
from ana_search.decisions import SHARES_DEPEND, cost_rows
from ana_search.float_reference import describe_reference
from ana_search.objectives import OBJECTIVES
from ana_search.shares import NamedShare, shares_by_name
from ana_search.verdict_file import AnalysedStudies
from ana_search.wording import describe_params

if TYPE_CHECKING:  # these know what trains networks, which takes seconds to load
    from ana_search.confirm import ConfirmedStudy
    from ana_search.summary import BestTrial, RankedTrial, StudyStatus

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
"""A JSON object of which every field is printed, whatever its name."""

_STATE_STYLES = {
    "COMPLETE": "green",
    "FAIL": "red",
    "PRUNED": "yellow",
    "INTERRUPTED": "yellow",
    "INFEASIBLE": "yellow",
    "RUNNING": "cyan",
    "WAITING": "dim",
}

MOST_COSTS = 24


def print_status(status: "StudyStatus", output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print the state of one study (see `ana_search.summary.study_status`)."""
    finished, requested = status["finished"], status["requested"]
    share = f" of {requested} ({finished / requested:.0%})" if requested else ""
    states = Text()
    for state, count in status["states"].items():
        if count:
            states.append(f"{', ' if states else ''}{count} ")
            states.append(state, style=_STATE_STYLES.get(state, ""))
    best = status["best"]
    remaining = status.get("remaining_seconds")
    facts: dict[str, RenderableType | None] = {
        "finished": f"{finished}{share}",
        "trials": states or "none yet",
        "retries": str(status["retries"]) if status["retries"] else None,
        "best": None if best is None else f"{format_value(best['value'])} (trial {best['number']})" + _figures(best),
        "": None if best is None else describe_params(best["params"]),
        "reference": _lines(describe_reference(each) for each in status.get("reference") or ()),
        "launch": status["driver"] or "not running",
        "running": _lines(
            f"trial {one['trial']}" + (f", for {format_duration(one['seconds'])}" if one["seconds"] is not None else "")
            for one in status["workers"]
        ),
        "failed": _lines(f"{count} x {reason}" for reason, count in _failed(status).items()),
        "interrupted": _lines(
            f"{count} x {reason}; run again" for reason, count in status.get("interruptions", {}).items()
        ),
        "constraints": _lines(_constraints(status)),
        "left out": _lines(f"{count} x {reason}" for reason, count in (status.get("left_out") or {}).items()),
        "time left": None if remaining is None else f"about {format_duration(remaining)}",
    }
    _print(status, lambda console: [facts_table(facts, f"Study {status['study']}")], output, stream)


def print_best(rows: "Sequence[RankedTrial]", output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print the best trials, one a line (see `ana_search.summary.best_trials`).

    A parameter that has the same value in every row is said once, below the table. Where parameters, seeds and plans
    do not fit into columns, the last two are left out; parameters that do not fit then are said below the table.
    """

    def parts(console: Console) -> list[RenderableType]:
        if not rows:
            return [prose("No trial has finished yet.")]
        names = list(dict.fromkeys(name for row in rows for name in row["params"]))
        different = {name: len({str(row["params"].get(name)) for row in rows}) for name in names}
        shared = {name: rows[0]["params"][name] for name in names if len(rows) > 1 and different[name] == 1}
        frozen = any("frozen" in row for row in rows)
        head: list[dict[str, object]] = [
            {"trial": row["number"], "value": row["value"]}
            | dict(row.get("figures", {}))
            | ({"others": row["values"][1:]} if "values" in row and "figures" not in row else {})
            | ({"frozen": row.get("frozen")} if frozen else {})
            for row in rows
        ]
        own = [{name: row["params"].get(name) for name in names if name not in shared} for row in rows]
        tail = [{"seed": row["seed"], "plan": row["plan_hash"]} for row in rows]
        whole = rows_table([{**one, **two, **three} for one, two, three in zip(head, own, tail, strict=True)])
        brief = rows_table([{**one, **two} for one, two in zip(head, own, strict=True)])
        found: list[RenderableType] = [whole if fits(whole, console) else brief]
        if not fits(brief, console):
            found = [rows_table([{**one, **three} for one, three in zip(head, tail, strict=True)])]
            for row, values in zip(rows, own, strict=True):
                known = {name: value for name, value in values.items() if value is not None}
                found.append(_hanging(f"trial {row['number']}: ", describe_params(known)))
        if shared:
            found.append(_hanging("in all of them: ", describe_params(shared)))
        for row in rows:
            if "infeasible" in row:
                found.append(_hanging(f"trial {row['number']} is infeasible: ", row["infeasible"]))
        return found

    _print(rows, parts, output, stream)


def print_studies(rows: Sequence[Data], output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print the shipped studies: the name of each, what it asks, what it costs and how it is launched."""
    parts: list[RenderableType] = []
    for row in rows:
        parts += [Text(row["study"], style="bold"), indented(prose(row["question"]))]
        if row.get("cost"):
            parts.append(indented(prose(row["cost"], style="dim")))
        parts.append(command(f"    {row['command']}"))
    _print(rows, lambda console: parts or [prose("No study.")], output, stream)


def print_check(summary: Data, output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print what a study file asks for (see `ana_search.estimate.estimate`)."""
    said = {"study", "parameters", "device", "epoch_seconds", "trial_seconds", "device_hours", "workers"}
    said |= {"wall_seconds", "hardware"}
    facts: dict[str, RenderableType | None] = {
        name.replace("_", " "): format_value(value)
        for name, value in summary.items()
        if name not in said and value is not None and value != [] and value != {}
    }
    for row in summary.get("hardware", ()):
        objective = OBJECTIVES[row["objective"]]
        facts[objective.label] = objective.shown_range(row["smallest"], row["largest"])
    if "wall_seconds" in summary:
        workers, hours = summary["workers"], summary["device_hours"]
        facts["takes"] = (
            f"about {_duration(summary['wall_seconds'])} with {workers} worker{'s' if workers > 1 else ''} on a "
            f"machine like this ({summary['device']})"
        )
        facts["of which"] = (
            f"{_duration(summary['epoch_seconds'])} an epoch, {_duration(summary['trial_seconds'])} a trial"
            + (f", {hours:,.0f} device hours in all" if hours >= 2 else "")
        )
    parameters = summary["parameters"]
    parts: list[RenderableType] = [
        Text(f"Study {summary['study']}", style="bold"),
        rows_table(parameters) if parameters else prose("Nothing is searched: every parameter is fixed."),
        facts_table(facts),
    ]
    _print(summary, lambda console: parts, output, stream)


def print_verdict(result: AnalysedStudies, output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print what drives accuracy: the verdict, the share of each group with its interval, reasons, and files.

    ``result`` is verdict.json, with ``report`` (a path), ``next`` (a command to type) and, where networks lie beside
    the report, ``models``.
    """
    parts: list[RenderableType] = []
    costs = cost_rows(result, MOST_COSTS)
    if costs:
        parts.append(prose("What a decision costs, when it is held and everything else is tuned:"))
        parts += [rows_table(costs, numbers=tuple(costs[0])[1:]), prose(SHARES_DEPEND)]
    parts += [
        prose(str(result["question"]), style="dim"),
        Text.assemble("Verdict: ", (str(result["verdict"]), "bold green")),
    ]
    parts += [_hanging("  because: ", str(reason)) for reason in result["explanations"]]
    parts += _comparison(result)
    level = f"{result['level']:.0%} interval"
    shares = [
        {
            "group": name,
            "share": _percent(share.share),
            level: _interval(share),
            "points": None if share.sd_points is None else f"{share.sd_points:.2f}",
        }
        for name, share in shares_by_name(result).items()
    ]
    if shares:
        parts.append(rows_table(shares, numbers=("share", "points")))
    counts = {name: count for name, count in result["n"].items() if count}
    if counts:
        parts.append(prose(", ".join(f"{format_value(count)} {name}" for name, count in counts.items())))
    parts.append(command(f"report: {result['report']}"))
    parts += [command(f"model: {model}") for model in result.get("models", ())]
    parts.append(command(f"next: {result['next']}"))
    _print(result, lambda console: parts, output, stream)


def _comparison(result: AnalysedStudies) -> list[RenderableType]:
    """Of several studies: every verdict, and how far the shares of the first differ from the others'."""
    if len(result.get("studies") or {}) < 2:
        return []
    verdicts = [
        {"study": name, "verdict": study["verdict"], "reasons": ", ".join(study["reasons"])}
        for name, study in result["studies"].items()
    ]
    rows = [
        {"difference of shares": f"{name}, {pair}", "points of per cent": f"{100 * entry['difference']:+.1f}",
         "interval": f"{100 * entry['ci_low']:+.1f} to {100 * entry['ci_high']:+.1f}",
         "differs": "yes" if entry["differs"] else "not shown"}
        for pair, entries in (result.get("differences") or {}).items()
        for name, entry in entries.items()
    ]  # fmt: skip
    return [rows_table(verdicts), *([rows_table(rows)] if rows else [])]


def print_manifest(manifest: Data, output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print exported models, one a line: file, size, and the accuracies of the trained and of the integer network.

    What `confirm` measured is of other networks, trained anew with the same parameters: it is said below.
    """
    rows, notes = [], []
    for model in manifest["models"]:
        accuracy = model["accuracy"]
        row = {"file": model["file"], "kB": f"{model['bytes'] / 1000:,.1f}"}
        if model.get("float_bytes"):
            row["smaller"] = f"{model['float_bytes'] / model['bytes']:.1f}x"
        row |= {"trained": accuracy.get("validation"), "integers": accuracy.get("frozen")}
        rows.append(row | {name: model[name] for name in ("verified",) if name in model})
        if accuracy.get("test") is not None:
            notes.append(_retrained(model))
    parts: list[RenderableType] = [
        rows_table(rows, numbers=("kB", "smaller")) if rows else prose("No model."),
        *map(prose, notes),
    ]
    if rows:
        parts.append(prose("trained, integers: accuracy on the validation images before and after the export"))
    _print(manifest, lambda console: parts, output, stream)


def _retrained(model: Data) -> str:
    """Say what was confirmed of a model's parameters."""
    test = model["accuracy"]["test"]
    text = f"trial {model['trial']}: networks trained anew with its parameters reach "
    if not isinstance(test, Mapping):
        return f"{text}{format_value(test)} on the test images (ana-search confirm)"
    return (
        f"{text}{format_value(test['mean'])} on the test images on average ({test['level']:.0%} interval "
        f"{format_value(test['low'])} to {format_value(test['high'])}, {len(test['accuracies'])} seeds; confirm)"
    )


def print_confirm(result: "ConfirmedStudy", output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print what fresh training runs of the best parameters reach, one set a line, its details below."""
    level = f"{result['level']:.0%} interval"
    rows = [
        {
            "set": rank,
            "search": row["search"],
            "validation": row["validation"],
            "test": row["test"],
            level: f"{format_value(row['low'])} to {format_value(row['high'])}",
        }
        for rank, row in enumerate(result["confirmed"], start=1)
    ]
    parts: list[RenderableType] = [Text(f"Study {result['study']}", style="bold"), rows_table(rows)]
    for rank, row in enumerate(result["confirmed"], start=1):
        details = {
            "trials": ", ".join(map(str, row["trials"])),
            "parameters": describe_params(row["params"]),
            "test": format_value(row["accuracies"]),
            "seeds": ", ".join(map(str, row["seeds"])),
        }
        parts += [Text(f"set {rank}", style="bold"), indented(facts_table(details))]
    parts.append(
        prose(
            "search: mean of the search's own trials; validation, test: means of networks trained anew with fresh seeds"
        )
    )
    _print(result, lambda console: parts, output, stream)


def print_rerun(comparison: Data, output: Format = Format.table, stream: TextIO | None = None) -> None:
    """Print the recorded and the repeated value of one trial, and whether they are equal."""
    facts: dict[str, RenderableType | None] = {
        name.removesuffix("_seconds").replace("_", " "): format_value(value)
        for name, value in comparison.items()
        if name not in ("seconds", "differences", "tolerance") and value is not None
    }
    if comparison.get("differences"):
        facts["compared"] = f"within {comparison['tolerance']:g}, since not all is as it was"
        facts["differences"] = "; ".join(comparison["differences"])
    facts["took"] = _duration(comparison["seconds"])
    _print(comparison, lambda console: [facts_table(facts)], output, stream)


def _print(
    data: object, parts: Callable[[Console], Sequence[RenderableType]], output: Format, stream: TextIO | None
) -> None:
    """Print ``data`` as JSON, or its parts for people."""
    out = stream or sys.stdout
    if output is Format.json:
        print_json(data, out)
        return
    console = console_for(out)
    out.write(write(console, parts(console)))


def _hanging(head: str, text: str) -> RenderableType:
    """Return running text behind a head; further lines begin below the text."""
    return facts_table({head.rstrip(): text})


def _constraints(status: "StudyStatus") -> list[str]:
    """Return the constraints, with the number of trials that break each."""
    counts = status.get("infeasible", {})
    return [f"{one}: {counts[one]} trials break it" if one in counts else one for one in status.get("constraints", ())]


def _figures(best: "BestTrial") -> str:
    """Return what the best trial's network costs, and whether it breaks a constraint."""
    told = [OBJECTIVES[name].shown(value) for name, value in best.get("figures", {}).items()]
    told += [f"infeasible: {best['infeasible']}"] if "infeasible" in best else []
    return "".join(f", {one}" for one in told)


def _failed(status: "StudyStatus") -> dict[str, int]:
    """Return the reasons of what failed for good, with counts: interruptions are listed by themselves."""
    interruptions = status.get("interruptions", {})
    counts = {reason: count - interruptions.get(reason, 0) for reason, count in status["failures"].items()}
    return {reason: count for reason, count in counts.items() if count}


def _lines(texts: Any) -> str | None:
    """Return texts on lines of their own; None for none."""
    return "\n".join(texts) or None


def _duration(seconds: float) -> str:
    """Return a duration as people say it: seconds below two minutes, then minutes, hours and days."""
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _interval(share: NamedShare) -> str:
    return f"{_percent(share.ci_low)} to {_percent(share.ci_high)}"
