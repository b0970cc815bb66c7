"""Reads a study file and checks all of it before it speaks."""

import codecs
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ana_search.data import check_split, dataset_info
from ana_search.errors import AnaSearchError, DataError, StudyFileError
from ana_search.networks import count_layers
from ana_search.plan import NetworkPlan
from ana_search.study_file.checks import check_sections, check_space
from ana_search.study_file.effects import check_effects, check_unused
from ana_search.study_file.exclusions import read_exclusions
from ana_search.study_file.keys import shorten
from ana_search.study_file.messages import describe, shorten_text, unknown_key
from ana_search.study_file.parameters import Toml
from ana_search.study_file.sections import (
    Data,
    Network,
    Quantiser,
    Resources,
    Section,
    Study,
    Training,
    data_plan,
)
from ana_search.study_file.space_table import read_space
from ana_search.study_file.spec import Space, StudySpec

__all__ = ["load_study_file", "read_toml"]

LIMIT = 1 << 20  # bytes; a study file is a page of text
_MOST_ENTRIES = 1_000  # of one table or array
_MOST_VALUES = 20_000  # of the whole file
_MOST_MISTAKES = 50  # that a message lists
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
    table = read_toml(Path(path))
    mistakes = _check_sizes(table)
    if mistakes:
        raise StudyFileError(_message(path, mistakes))
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
    mistakes += check_unused(sections)
    if mistakes:
        raise StudyFileError(_message(path, mistakes))
    return StudySpec(space=Space(parameters=parameters, exclude=tuple(exclude)), **sections)


def _message(path: str | Path, mistakes: list[str]) -> str:
    listed = [f"  - {mistake}" for mistake in mistakes[:_MOST_MISTAKES]]
    if len(mistakes) > _MOST_MISTAKES:
        listed.append(f"  - and {len(mistakes) - _MOST_MISTAKES:,} more")
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes):,} mistakes"
    return "\n".join([f"{path}: {count}", *listed])


def read_toml(path: Path) -> Toml:
    """Return a study file's tables. Raises `StudyFileError` for anything that is not a small TOML file."""
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
            raise StudyFileError(f"{path}: {what}; allowed: a study file in TOML")
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
        if len(content) > LIMIT:
            size = path.stat().st_size
            raise StudyFileError(f"{path}: is {size:,} bytes long; allowed: at most {LIMIT:,} bytes of TOML")
        # An editor may have put a byte order mark before the text.
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        hint = ""
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            hint = "; it looks like UTF-16: save it as UTF-8"
        raise StudyFileError(f"{path}: is not text in UTF-8 ({error.reason} at byte {error.start}){hint}") from None
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(f"{path}: is not TOML: {shorten_text(str(error))}") from None
    except RecursionError:
        raise StudyFileError(f"{path}: is nested too deep for a study file") from None
    except (OSError, ValueError) as error:  # no permission; a number too long to convert
        raise StudyFileError(f"{shorten_text(str(path))}: cannot be read: {shorten_text(str(error))}") from None


def _check_sizes(table: Toml) -> list[str]:
    """Return a message for the first table or array that nobody would write, and for a file of too many values."""
    waiting: list[tuple[str, Any]] = [("", table)]
    values = 0
    while waiting:
        where, one = waiting.pop()
        if not isinstance(one, dict | list):
            continue
        values += len(one)
        named = f"{where or 'the file'}: has {len(one):,} entries"
        if len(one) > _MOST_ENTRIES:
            return [f"{shorten_text(named)}; allowed: at most {_MOST_ENTRIES:,} in a table or an array"]
        if values > _MOST_VALUES:
            return [f"the file has more than {_MOST_VALUES:,} values; allowed: at most as many"]
        entries = one.items() if isinstance(one, dict) else enumerate(one)
        for key, value in entries:
            if isinstance(value, dict | list):
                name = f"[{key}]" if isinstance(one, list) else f".{key}" if where else str(key)
                waiting.append((f"{where}{name}"[:200], value))
    return []


def _read_sections(table: Toml) -> tuple[dict[str, Section], list[str]]:
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


def _healthy_part(name: str, model: type[Section], raw: Toml, error: ValidationError) -> dict[str, Section]:
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
        plan = data_plan(data, seed=-1)  # the last fold is the smallest
        input_shape, classes = dataset_info(plan)
        check_split(plan)
        if not isinstance(network, Network) or _is_wrong("network", mistakes):
            return None
        return count_layers(NetworkPlan(**network.model_dump()), input_shape, classes)
    except AnaSearchError as error:
        section = "data" if isinstance(error, DataError) else "network"
        message = str(error)
        mistakes.append(message if message.startswith(f"{section}.") else f"{section}: {message}")
        return None


def _is_wrong(key: str, mistakes: list[str]) -> bool:
    return any(mistake.startswith(key) for mistake in mistakes)
