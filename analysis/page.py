"""The page of a report: what report.html shows of each study, its pictures, and the template filled in."""

import base64
import contextlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jinja2

from ana_search.decisions import SHARES_DEPEND
from ana_search.verdict_file import DifferenceEntry
from analysis import codes_in_use, wording
from analysis.attribution import QUESTION, versions
from analysis.figures import FIGURES, FigureInput
from analysis.style import DPI, save_figure

__all__ = ["Picture", "StudyPage", "draw_pictures", "render_page", "study_page"]

_NUMBER = re.compile(r"(-?[\d.]+(e[+-]?\d+)?( ?%)?|not known|-?inf|nan)$")
_MOST_SEEDS = 20


@dataclass(frozen=True)
class Picture:
    """A figure as the page embeds it: what it shows in words, a data URI, and its size in pixels."""

    title: str
    alt: str
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class StudyPage:
    """Everything that the page shows of one study; the template reads these names."""

    name: str
    verdict: str
    answer: str
    sentence: str
    explanations: Sequence[str]
    next: str
    costs: wording.TextTable
    decisions: Sequence[str]
    levels_matter: str
    shares: wording.TextTable
    references: Sequence[str]
    figures: Sequence[Picture]
    best: wording.TextTable
    counts: wording.TextTable
    losses: wording.TextTable
    notes: Sequence[str]
    method: str
    probability: wording.TextTable
    checks: wording.TextTable
    commands: Sequence[str]
    seeds: str
    seed: int
    versions: Mapping[str, str]
    created: str
    spec: str


def draw_pictures(given: FigureInput, folder: Path, own: Path, files: dict[str, Path]) -> dict[str, Picture]:
    """Draw every figure that has something to show; return what the page embeds, by the figures' names.

    The files are written into ``own``, the comparison of studies into ``folder``, and added to ``files`` under their
    names within ``folder``.
    """
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


def study_page(
    name: str,
    given: FigureInput,
    pictures: Sequence[Picture],
    *,
    commands: Sequence[str],
    references: Sequence[str],
    spec: Mapping[str, object] | None,
    seed: int,
) -> StudyPage:
    """Return what the page shows of one study, from what its figures are drawn from.

    ``commands`` reproduce the study, ``references`` say what its network reaches in floating point, ``spec`` is its
    file's content, ``seed`` that of the analysis.
    """
    found = given.attribution
    replicates = [r for r in found.sample.rows["__replicate__"].unique() if r != ""]
    more = len(replicates) - _MOST_SEEDS
    seeds = ", ".join(replicates[:_MOST_SEEDS]) + (f" and {more} more" if more > 0 else "")
    chances = [[region, f"{value:.1%}"] for region, value in found.region_probability.items()]
    return StudyPage(
        name=name,
        verdict=found.verdict,
        answer=wording.answer(found),
        sentence=wording.sentence(found),
        explanations=found.explanations,
        next=found.power["next"]["text"],
        costs=wording.cost_table(found),
        decisions=wording.cost_sentences(found),
        levels_matter=SHARES_DEPEND,
        shares=wording.share_table(found),
        references=references,
        figures=pictures,
        best=wording.best_table(given.trials, found, given.outcome),
        counts=wording.count_table(found),
        losses=wording.loss_table(given.trials),
        notes=[note[:1].upper() + note[1:] for note in (*found.notes, *codes_in_use.notes(given.trials))],
        method=wording.method_text(found),
        probability=wording.TextTable(["region", "probability"], chances),
        checks=wording.check_table(found),
        commands=commands,
        seeds=seeds or "none given",
        seed=seed,
        versions={**versions(), **_environment()},
        created=found.created,
        spec=json.dumps(spec, indent=2, ensure_ascii=False) if spec else "",
    )


def render_page(
    pages: Sequence[StudyPage],
    *,
    comparison: Picture | None,
    differences: Mapping[str, Mapping[str, DifferenceEntry]],
    refresh: int | None,
) -> str:
    """Return the HTML of the page; with ``refresh`` it reloads itself every so many seconds."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"), autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    title = "Synchronisation or shape?" if len(pages) > 1 else f"{pages[0].name}: synchronisation or shape?"
    return environment.get_template("report.html.j2").render(
        title=title,
        question=QUESTION,
        studies=pages,
        comparison=comparison,
        differences=wording.difference_table(differences),
        refresh=refresh,
        numeric=_numeric,
    )


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
