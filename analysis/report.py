"""The report: report.html, verdict.json, trials.csv and every figure as PNG and SVG."""

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack, cast

import pandas as pd

from ana_search.errors import FrameError
from ana_search.files import write_durably
from ana_search.float_reference import FloatReference, describe_reference
from ana_search.history import Epoch
from ana_search.plan import TrainingPlan
from analysis.attribution import Attribution, Design, attribute, points_of
from analysis.compare import share_differences
from analysis.cross_checks import cross_checks
from analysis.design import study_toml
from analysis.figures import FigureInput
from analysis.page import Picture, StudyPage, draw_pictures, render_page, study_page
from analysis.results import plain

__all__ = ["AttributeOptions", "Report", "StudyInfo", "report"]

GivenPlan = TrainingPlan | str | bytes | Mapping[str, object]
"""A training plan, its JSON, or what its JSON holds."""

_LAYERS = 7  # of the paper's network, where nobody says how many the study's has


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


class AttributeOptions(TypedDict, total=False):
    """Further arguments of `attribute` (see there)."""

    state: str
    replicate: str
    design: Design
    level: float
    categorical: Collection[str]
    ranges: Mapping[str, Sequence[object]]
    conditions: Mapping[str, Sequence[object]]
    sampler: str | None
    chance: float | None
    draws: int
    details: bool


class StudyInfo(TypedDict, total=False):
    """What is known of a study besides its trials.

    ``spec`` is the study file's content as JSON has it, ``commands`` reproduce the study, ``launch_next`` runs the file
    at `next_path`, ``layers`` is the network's number of quantised layers, ``references`` say what the network reaches
    in floating point, ``options`` are further arguments of `attribute`; ``histories`` and ``plans`` as in `report`.
    """

    name: str
    spec: Mapping[str, object]
    commands: Sequence[str]
    launch_next: str | None
    layers: int
    references: Sequence[FloatReference]
    options: AttributeOptions
    histories: Mapping[int, Sequence[Epoch]]
    plans: Mapping[int, GivenPlan]


@dataclass(frozen=True)
class _Study:
    """One study of the report: its table of trials, what is known besides, and its attribution."""

    name: str
    table: pd.DataFrame
    info: StudyInfo
    histories: Mapping[int, list[Epoch]]
    plans: Mapping[int, TrainingPlan]
    found: Attribution


def report(
    frames: pd.DataFrame | Mapping[str, pd.DataFrame],
    out: Path | str,
    *,
    info: StudyInfo | Mapping[str, StudyInfo] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    histories: Mapping[int, Sequence[Epoch]] | None = None,
    plans: Mapping[int, GivenPlan] | None = None,
    next_path: Path | str | None = None,
    seed: int = 0,
    outcome: str = "value",
    refresh: int | None = None,
    **options: Unpack[AttributeOptions],
) -> Report:
    """Write the report of one study, or of several side by side, into the folder `out`.

    Args:
        frames: the table of trials (see `attribute`), or a mapping of studies' names to their tables.
        out: the folder; made where it does not exist, files of the same names are replaced.
        info: what is known of the study besides (see `StudyInfo`); of several studies a mapping of their names to
            these. The keys ``histories`` and ``plans`` of one replace the arguments.
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
    facts = _facts_by_name(frames, info)
    if next_path is not None and not next(iter(facts.values()))[1].get("spec"):
        raise FrameError("a study file for the next design needs the study's own file: `info` has no `spec`")
    studies = []
    for name, (frame, known) in facts.items():
        curves = {int(number): list(epochs) for number, epochs in (known.get("histories") or histories or {}).items()}
        drawn = {int(number): _plan(plan) for number, plan in (known.get("plans") or plans or {}).items()}
        further: AttributeOptions = {**options, **known.get("options", {})}
        found = attribute(frame, groups, outcome=outcome, seed=seed, **further)
        found = dataclasses.replace(found, cross_checks=cross_checks(found.sample, found.layout, found.method, seed))
        studies.append(_Study(name, frame.rename(columns=str).reset_index(drop=True), known, curves, drawn, found))
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    pages: list[StudyPage] = []
    comparison: Picture | None = None
    for study in studies:
        others = {one.name: one.found for one in studies} if len(studies) > 1 and study is studies[0] else {}
        given = _figure_input(study, others, outcome)
        own = folder if len(studies) == 1 else folder / _safe(study.name)
        own.mkdir(exist_ok=True)
        pictures = draw_pictures(given, folder, own, files)
        comparison = pictures.pop("comparison", comparison)
        path = own / "trials.csv"
        write_durably(path, study.table.to_csv(index=False))
        files[str(path.relative_to(folder))] = path
        commands = list(study.info.get("commands") or ())
        spec = study.info.get("spec")
        references = [describe_reference(each) for each in study.info.get("references") or ()]
        pages.append(
            study_page(
                study.name,
                given,
                list(pictures.values()),
                commands=commands,
                references=references,
                spec=spec,
                seed=seed,
            )
        )
    first = studies[0]
    document = first.found.to_dict()
    if len(studies) > 1:
        document["studies"] = {study.name: study.found.to_dict() for study in studies}
        document["differences"] = {
            f"{first.name} - {other.name}": plain(share_differences(first.found, other.found)) for other in studies[1:]
        }
    write_durably(folder / "verdict.json", json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    html = render_page(pages, comparison=comparison, differences=document.get("differences") or {}, refresh=refresh)
    write_durably(folder / "report.html", html)
    files |= {name: folder / name for name in ("verdict.json", "report.html")}
    return Report({study.name: study.found for study in studies}, files, _write_next(next_path, first))


def _facts_by_name(
    frames: pd.DataFrame | Mapping[str, pd.DataFrame], info: StudyInfo | Mapping[str, StudyInfo] | None
) -> dict[str, tuple[pd.DataFrame, StudyInfo]]:
    """Return every study's table and what is known of it, by the studies' names."""
    if not isinstance(frames, Mapping):
        own = cast(StudyInfo, info or {})
        return {str(own.get("name", "study")): (frames, own)}
    if not frames:
        raise FrameError("no table of trials was given")
    if len(frames) == 1:  # then `info` is that of the one study
        return {name: (frame, cast(StudyInfo, info or {})) for name, frame in frames.items()}
    named = cast(Mapping[str, StudyInfo], info or {})
    return {name: (frame, named.get(name, StudyInfo())) for name, frame in frames.items()}


def _plan(plan: GivenPlan) -> TrainingPlan:
    """Return a training plan from whatever it was given as."""
    if isinstance(plan, TrainingPlan):
        return plan
    return TrainingPlan.from_json(plan if isinstance(plan, str | bytes) else json.dumps(plan))


def _safe(name: str) -> str:
    """Return a study's name as the name of a folder."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "study"


def _figure_input(study: _Study, others: Mapping[str, Attribution], outcome: str) -> FigureInput:
    return FigureInput(
        attribution=study.found,
        trials=study.table,
        histories=study.histories,
        plans=study.plans,
        outcome=outcome,
        scale=points_of(study.found.sample.outcome),
        layers=int(study.info.get("layers", _LAYERS)),
        others=others,
    )


def _write_next(path: Path | str | None, study: _Study) -> Path | None:
    if path is None:
        return None
    target = Path(path)
    design = study.found.power["next"]
    write_durably(target, study_toml(study.info["spec"], design, study.info.get("launch_next")))
    return target
