"""Reads a study file and checks all of it before it speaks."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ana_search.data import dataset_info
from ana_search.errors import AnaSearchError, DataError, StudyFileError
from ana_search.networks import count_layers
from ana_search.plan import DataPlan, NetworkPlan
from ana_search.study_file.checks import check_effects, check_sections, check_space
from ana_search.study_file.exclusions import read_exclusions
from ana_search.study_file.keys import shorten
from ana_search.study_file.messages import describe, unknown_key
from ana_search.study_file.sections import (
    Data,
    Network,
    Quantiser,
    Resources,
    Section,
    Study,
    Training,
)
from ana_search.study_file.space_table import read_space
from ana_search.study_file.spec import Space, StudySpec

__all__ = ["load_study_file"]

LIMIT = 1 << 20  # bytes; a study file is a page of text
_SECTIONS: dict[str, type[Section]] = {
    "study": Study,
    "data": Data,
    "network": Network,
    "quantiser": Quantiser,
    "training": Training,
    "resources": Resources,
}
_REQUIRED = ("study", "data", "network", "training")


def load_study_file(path: str | Path) -> StudySpec:
    """Return the study that the TOML file ``path`` describes.

    Nothing is created, downloaded or trained. Raises `StudyFileError`, with every mistake of the file in one
    message, and nothing else.
    """
    table = _read(Path(path))
    sections, mistakes = _read_sections(table)
    space_table = table.get("space", {})
    if not isinstance(space_table, dict):
        mistakes.append(f"space: got {shorten(space_table)}; allowed: a table [space]")
        space_table = {}
    named = {name: value for name, value in space_table.items() if name != "exclude"}
    parameters, found = read_space(named)
    mistakes += found
    all_right = not found
    exclude, found = read_exclusions(space_table.get("exclude", []), parameters, named)
    mistakes += found
    mistakes += check_sections(sections)
    layers = _count_layers(sections, mistakes)
    mistakes += check_space(parameters, "exclude" in space_table, sections, layers)
    if all_right:
        mistakes += check_effects(parameters, sections)
    if mistakes:
        listed = "\n".join(f"  - {mistake}" for mistake in mistakes)
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise StudyFileError(f"{path}: {count}\n{listed}")
    return StudySpec(space=Space(parameters=parameters, exclude=tuple(exclude)), **sections)


def _read(path: Path) -> dict[str, Any]:
    """Return the file's tables. Raises `StudyFileError` for anything that is not a small TOML file."""
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise StudyFileError(f"{path}: {what}; allowed: a study file in TOML")
        size = path.stat().st_size
        if size > LIMIT:
            raise StudyFileError(f"{path}: is {size:,} bytes long; allowed: at most {LIMIT:,} bytes of TOML")
        text = path.read_bytes().decode("utf-8")
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise StudyFileError(f"{path}: is not text in UTF-8 ({error.reason} at byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(f"{path}: is not TOML: {error}") from None
    except RecursionError:
        raise StudyFileError(f"{path}: is nested too deep for a study file") from None
    except (OSError, ValueError) as error:  # no permission; a number too long to convert
        raise StudyFileError(f"{path}: cannot be read: {shorten(str(error), 200)}") from None


def _read_sections(table: Mapping[str, Any]) -> tuple[dict[str, Section], list[str]]:
    """Return the sections that are right, and a message for each mistake of the others."""
    sections: dict[str, Section] = {}
    mistakes: list[str] = []
    names = [*_SECTIONS, "space"]
    mistakes += [unknown_key(name, name, names) for name in table if name not in names]
    for name, model in _SECTIONS.items():
        raw = table.get(name, {})
        if not isinstance(raw, dict):
            mistakes.append(f"{name}: got {shorten(raw)}; allowed: a table [{name}]")
            continue
        if name in _REQUIRED and name not in table:
            keys = ", ".join(key for key, field in model.model_fields.items() if field.is_required())
            mistakes.append(f"{name}: missing; every study file has a table [{name}] with at least {keys}")
            continue
        try:
            sections[name] = model.model_validate(raw)
        except ValidationError as error:
            mistakes += describe(name, error.errors(include_url=False), model.model_fields)
            sections |= _healthy_part(name, model, raw, error)
    return sections, mistakes


def _healthy_part(name: str, model: type[Section], raw: dict[str, Any], error: ValidationError) -> dict[str, Section]:
    """Return the section without its wrong keys, so that its other keys can still be checked; or nothing."""
    wrong = {str(one["loc"][0]) for one in error.errors(include_url=False) if one["loc"]}
    try:
        return {name: model.model_validate({key: value for key, value in raw.items() if key not in wrong})}
    except ValidationError:
        return {}


def _count_layers(sections: Mapping[str, Section], mistakes: list[str]) -> int | None:
    """Return the number of quantised layers of the network on the data, ``None`` where either is wrong.

    A network or data set that exists and cannot be used adds a message to ``mistakes``.
    """
    data, network = sections.get("data"), sections.get("network")
    if not isinstance(data, Data) or _is_wrong("data.name", mistakes):
        return None
    try:
        input_shape, classes = dataset_info(DataPlan(name=data.name, root=data.root))
        if not isinstance(network, Network) or _is_wrong("network", mistakes):
            return None
        return count_layers(NetworkPlan(name=network.name, width=network.width), input_shape, classes)
    except AnaSearchError as error:
        section = "data" if isinstance(error, DataError) else "network"
        message = str(error)
        mistakes.append(message if message.startswith(f"{section}.") else f"{section}: {message}")
        return None


def _is_wrong(key: str, mistakes: list[str]) -> bool:
    return any(mistake.startswith(key) for mistake in mistakes)
