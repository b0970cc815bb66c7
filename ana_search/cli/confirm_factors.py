"""`launch --confirm-factors`: the study that would decide an open verdict."""

import json
from pathlib import Path

import typer

from ana_search.command_line import command_line
from ana_search.errors import RequestError
from ana_search.files import write_durably
from ana_search.results import load_results
from ana_search.space import describe_space
from ana_search.storage import locate
from ana_search.study_file import StudySpec, load_study_file
from analysis import attribute
from analysis.design import study_toml

__all__ = ["deciding_study"]


def deciding_study(spec: StudySpec, *, storage: str | None, runs: Path) -> StudySpec:
    """Return the study to run so that the verdict on ``spec`` can be decided.

    Where the design is sound and only replicates or cells are missing, it is the same study with more seeds;
    otherwise a new one, whose file is written into the run directory of the old.

    Raises:
        StudyNotFoundError: the study was never launched.
        RequestError: its verdict is decided already, or no affordable design would decide it.
    """
    name = spec.study.name
    place = locate(name, storage or spec.study.storage, runs)
    stored = place.spec(place.open())
    frame = load_results(name, storage or spec.study.storage, runs)
    found = attribute(frame, **describe_space(stored).options(frame.columns))
    design = found.power["next"]
    if not design["runs"]:
        raise RequestError(f"--confirm-factors: study {name!r}, verdict {found.verdict!r}: {design['text']}")
    typer.echo(design["text"], err=True)
    path = place.folder.path / "confirm-factors.toml"
    command = command_line("launch", path, storage=storage, runs=runs)
    write_durably(path, study_toml(json.loads(stored.to_json()), design, command))
    return load_study_file(path)
