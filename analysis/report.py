"""The report: report.html, verdict.json, trials.csv and every figure as PNG and SVG."""

import base64
import contextlib
import dataclasses
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from ana_search.decisions import SHARES_DEPEND
from ana_search.errors import FrameError
from ana_search.files import write_durably
from analysis import wording
from analysis.attribution import QUESTION, Attribution, attribute, points_of, versions
from analysis.compare import share_differences
from analysis.cross_checks import cross_checks
from analysis.design import study_toml
from analysis.figures import FIGURES, FigureInput
from analysis.results import plain
from analysis.style import DPI, save_figure

__all__ = ["Report", "report"]

_NUMBER = re.compile(r"(-?[\d.]+(e[+-]?\d+)?( ?%)?|not known|-?inf|nan)$")


@dataclass(frozen=True)
class Report:
    """What `report` found and wrote.

    ``attributions`` holds one per study in the order given, ``files`` the paths written by their names within the
    folder, ``next_study`` the study file that would decide (None: not asked for, or nothing to run).
    """

    attributions: Mapping[str, Attribution]
    files: Mapping[str, Path]
    next_study: Path | None = None

    @property
    def attribution(self) -> Attribution:
        """The first study's attribution."""
        return next(iter(self.attributions.values()))

    @property
    def verdict(self) -> str:
        """The first study's verdict."""
        return self.attribution.verdict


@dataclass(frozen=True)
class Picture:
    """A figure as the page embeds it: what it shows in words, a data URI, and its size in pixels."""

    title: str
    alt: str
    uri: str
    width: int
    height: int


def report(
    frames: pd.DataFrame | Mapping[str, pd.DataFrame],
    out: Path | str,
    *,
    info: Mapping[str, Any] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    histories: Mapping[int, list[dict[str, Any]]] | None = None,
    plans: Mapping[int, Any] | None = None,
    next_path: Path | str | None = None,
    seed: int = 0,
    outcome: str = "value",
    refresh: int | None = None,
    **options: Any,
) -> Report:
    """Write the report of one study, or of several side by side, into the folder `out`.

    Args:
        frames: the table of trials (see `attribute`), or a mapping of studies' names to their tables.
        out: the folder; made where it does not exist, files of the same names are replaced.
        info: ``name``, ``spec`` (the study's dictionary), ``commands`` (how to reproduce it), ``launch_next`` (the
            command that runs the file at ``next_path``), ``layers`` and ``options`` (further arguments of `attribute`
            for this study); of several studies a mapping of their names to these. The keys ``histories`` and
            ``plans`` of one replace the arguments.
        groups: the groups of factors (default: those of a study file's parameters).
        histories: each trial's epochs by its number: dictionaries with ``epoch``, ``accuracy`` and ``gap``.
        plans: each trial's training plan by its number: `ana_search.plan.TrainingPlan`, its JSON or dictionary.
        next_path: where to write the study file of the design that would decide the first study.
        seed: of the random numbers.
        outcome: the outcome's column.
        refresh: the page reloads itself every so many seconds.
        options: further keyword arguments of `attribute`.

    Raises `FrameError` for a table that cannot be read; nothing is written then.
    """
    named = dict(frames) if isinstance(frames, Mapping) else {str((info or {}).get("name", "study")): frames}
    if not named:
        raise FrameError("no table of trials was given")
    facts = {name: _facts(info, name, len(named), histories, plans) for name in named}
    if next_path is not None and not next(iter(facts.values())).get("spec"):
        raise FrameError("a study file for the next design needs the study's own file: `info` has no `spec`")
    found = {
        name: _analyse(frame, groups, outcome, seed, {**options, **facts[name].get("options", {})})
        for name, frame in named.items()
    }
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    studies: list[dict[str, Any]] = []
    comparison: Picture | None = None
    for name, frame in named.items():
        table = frame.rename(columns=str).reset_index(drop=True)
        given = FigureInput(
            attribution=found[name],
            trials=table,
            histories=facts[name]["histories"],
            plans=facts[name]["plans"],
            outcome=outcome,
            scale=points_of(found[name].sample.outcome),
            layers=int(facts[name].get("layers", 7)),
            others=found if len(found) > 1 and name == next(iter(named)) else {},
        )
        own = folder if len(named) == 1 else folder / _safe(name)
        own.mkdir(exist_ok=True)
        pictures = _draw(given, folder, own, files)
        comparison = pictures.pop("comparison", comparison)
        path = own / "trials.csv"
        write_durably(path, table.to_csv(index=False))
        files[str(path.relative_to(folder))] = path
        studies.append(_page(name, table, found[name], facts[name], list(pictures.values()), outcome, seed))
    first = next(iter(found))
    document = found[first].to_dict()
    if len(found) > 1:
        document["studies"] = {name: one.to_dict() for name, one in found.items()}
        document["differences"] = {
            f"{first} - {name}": plain(share_differences(found[first], one))
            for name, one in found.items()
            if name != first
        }
    write_durably(folder / "verdict.json", json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    title = "Synchronisation or shape?" if len(named) > 1 else f"{first}: synchronisation or shape?"
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"), autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    html = environment.get_template("report.html.j2").render(
        title=title,
        question=QUESTION,
        studies=studies,
        comparison=comparison,
        differences=wording.difference_table(document.get("differences") or {}),
        refresh=refresh,
        numeric=_numeric,
    )
    write_durably(folder / "report.html", html)
    files |= {name: folder / name for name in ("verdict.json", "report.html")}
    return Report(found, files, _write_next(next_path, facts[first], found[first]))


def _facts(
    info: Mapping[str, Any] | None,
    name: str,
    studies: int,
    histories: Mapping[int, list[dict[str, Any]]] | None,
    plans: Mapping[int, Any] | None,
) -> dict[str, Any]:
    own = dict((info or {}).get(name, {}) if studies > 1 else info or {})
    own["histories"] = {int(n): list(h) for n, h in (own.get("histories") or histories or {}).items()}
    own["plans"] = {int(n): _plan(p) for n, p in (own.get("plans") or plans or {}).items()}
    return own


def _plan(plan: Any) -> Any:
    """A training plan from whatever it was given as."""
    from ana_search.plan import TrainingPlan

    if isinstance(plan, TrainingPlan):
        return plan
    return TrainingPlan.from_json(plan if isinstance(plan, str | bytes) else json.dumps(plan))


def _analyse(
    frame: pd.DataFrame, groups: Mapping[str, Sequence[str]] | None, outcome: str, seed: int, options: dict[str, Any]
) -> Attribution:
    found = attribute(frame, groups, outcome=outcome, seed=seed, **options)
    return dataclasses.replace(found, cross_checks=cross_checks(found.sample, found.layout, found.method, seed))


def _safe(name: str) -> str:
    """A study's name as the name of a folder."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "study"


def _draw(given: FigureInput, folder: Path, own: Path, files: dict[str, Path]) -> dict[str, Picture]:
    """Draw every figure that has something to show; return what the page embeds."""
    pictures: dict[str, Picture] = {}
    for name, spec in FIGURES.items():
        data = spec.compute(given)
        if data.empty:
            continue
        figure = spec.draw(data, given)
        target = folder if name == "comparison" else own
        for path in save_figure(figure, target, name):
            files[str(path.relative_to(folder))] = path
        content = base64.b64encode((target / f"{name}.png").read_bytes()).decode()
        width, height = (round(float(side) * DPI) for side in figure.get_size_inches())
        pictures[name] = Picture(
            spec.title, spec.describe(data, given), f"data:image/png;base64,{content}", width, height
        )
    return pictures


def _page(
    name: str,
    frame: pd.DataFrame,
    found: Attribution,
    facts: Mapping[str, Any],
    pictures: list[Picture],
    outcome: str,
    seed: int,
) -> dict[str, Any]:
    """Everything that the template shows of one study."""
    spec = facts.get("spec")
    replicates = [r for r in found.sample.rows["__replicate__"].unique() if r != ""]
    chances = [[region, f"{value:.1%}"] for region, value in found.region_probability.items()]
    return {
        "name": name,
        "verdict": found.verdict,
        "answer": wording.answer(found),
        "sentence": wording.sentence(found),
        "explanations": found.explanations,
        "next": found.power["next"]["text"],
        "costs": wording.cost_table(found),
        "decisions": wording.cost_sentences(found),
        "levels_matter": SHARES_DEPEND,
        "shares": wording.share_table(found),
        "figures": pictures,
        "best": wording.best_table(frame, found, outcome),
        "counts": wording.count_table(found),
        "losses": wording.loss_table(frame),
        "notes": [note[:1].upper() + note[1:] for note in found.notes],
        "method": wording.method_text(found),
        "probability": wording.TextTable(["region", "probability"], chances),
        "checks": wording.check_table(found),
        "commands": list(facts.get("commands") or ()),
        "seeds": ", ".join(replicates[:20]) + (f" and {len(replicates) - 20} more" if len(replicates) > 20 else "")
        or "none given",
        "seed": seed,
        "versions": {**versions(), **_environment(), **(facts.get("versions") or {})},
        "created": found.created,
        "spec": json.dumps(spec, indent=2, ensure_ascii=False) if spec else "",
    }


def _numeric(rows: Sequence[Sequence[str]]) -> list[bool]:
    """Return for every column of a table whether it holds numbers (with units), which are set to the right."""
    columns = zip(*rows, strict=True)
    return [any(column) and all(not cell or _NUMBER.match(cell) for cell in column) for column in columns]


def _environment() -> dict[str, str]:
    """Return the versions of what trains networks, where the report is written."""
    found = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "ray"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _write_next(path: Path | str | None, facts: Mapping[str, Any], found: Attribution) -> Path | None:
    if path is None:
        return None
    target = Path(path)
    write_durably(target, study_toml(facts["spec"], found.power["next"], facts.get("launch_next")))
    return target
