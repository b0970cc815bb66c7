"""The report: report.html, verdict.json, trials.csv and every figure as PNG and SVG."""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from analysis.attribution import Attribution, attribute, points_of
from analysis.figures import FIGURES, FigureInput
from analysis.style import save_figure
from ana_search.errors import FrameError

__all__ = ["Report", "report"]


@dataclass(frozen=True)
class Report:
    """What `report` found and wrote: one attribution per study, in the order given, and the files by name."""

    attributions: Mapping[str, Attribution]
    files: Mapping[str, Path]

    @property
    def attribution(self) -> Attribution:
        """The first study's attribution."""
        return next(iter(self.attributions.values()))

    @property
    def verdict(self) -> str:
        """The first study's verdict."""
        return self.attribution.verdict


def report(
    frames: pd.DataFrame | Mapping[str, pd.DataFrame],
    out: Path | str,
    *,
    info: Mapping[str, Any] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    histories: Mapping[int, list[dict[str, Any]]] | None = None,
    plans: Mapping[int, Mapping[str, Any]] | None = None,
    next_path: Path | str | None = None,
    seed: int = 0,
    **options: Any,
) -> Report:
    """Write the report of one study, or of several side by side, into the folder `out`."""
    named = dict(frames) if isinstance(frames, Mapping) else {str((info or {}).get("name", "study")): frames}
    if not named:
        raise FrameError("no table of trials was given")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    found, files, studies = {}, {}, []
    for name, frame in named.items():
        found[name] = attribute(frame, groups, seed=seed, **options)
        given = FigureInput(found[name], frame, histories or {}, plans or {}, scale=points_of(found[name].sample.outcome))
        pictures = []
        for figure, spec in FIGURES.items():
            data = spec.compute(given)
            if data.empty:
                continue
            png, svg = save_figure(spec.draw(data, given), folder, figure)
            files[f"{figure}.png"], files[f"{figure}.svg"] = png, svg
            uri = "data:image/png;base64," + base64.b64encode(png.read_bytes()).decode()
            pictures.append({"uri": uri, "alt": spec.describe(data, given), "title": spec.title})
        studies.append({"name": name, "attribution": found[name], "figures": pictures})
        files["trials.csv"] = folder / "trials.csv"
        frame.to_csv(files["trials.csv"], index=False)
    files["verdict.json"] = folder / "verdict.json"
    _write(files["verdict.json"], json.dumps(next(iter(found.values())).to_dict(), indent=2, ensure_ascii=False) + "\n")
    environment = jinja2.Environment(loader=jinja2.PackageLoader("analysis"), autoescape=True)
    html = environment.get_template("report.html.j2").render(title="Synchronisation or shape?", studies=studies)
    files["report.html"] = folder / "report.html"
    _write(files["report.html"], html)
    return Report(found, files)


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
