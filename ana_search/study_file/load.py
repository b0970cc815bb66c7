"""Reads a study file and checks all of it before it speaks."""

import codecs
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ana_search.data import check_augmentations, check_split, dataset_info, names_of
from ana_search.data.load import coding_of
from ana_search.errors import AnaSearchError, DataError, NetworkError, StudyFileError
from ana_search.networks import absolute_name, import_code, is_file_name, layer_names
from ana_search.study_file.checks import check_changing_layers, check_sections, check_space
from ana_search.study_file.effects import check_effects, check_unused, values_of
from ana_search.study_file.exclusions import read_exclusions
from ana_search.study_file.layer_checks import check_fixed_layers, check_layers
from ana_search.study_file.messages import describe, shorten_text, unknown_key
from ana_search.study_file.parameters import Choice, Parameter, Range, Toml, Value
from ana_search.study_file.recipes import RECIPE, take_recipe
from ana_search.study_file.sections import (
    WEIGHTS_SUFFIXES,
    Data,
    Network,
    Quantiser,
    Resources,
    Section,
    Study,
    Training,
    data_plan,
    network_plan,
)
from ana_search.study_file.space_table import read_arguments, read_space
from ana_search.study_file.spec import Space, StudySpec
from ana_search.study_file.values import shorten

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


def load_study_file(path: str | Path, *, allow_import: bool = False) -> StudySpec:
    """Return the study that the TOML file ``path`` describes.

    Nothing is created, downloaded or trained. A network in a file of Python code (``FILE.py:FUNCTION``, relative to the
    study file) is run only with ``allow_import``. Raises `StudyFileError`, with every mistake of the file in one
    message, and nothing else.
    """
    table = read_toml(Path(path))
    mistakes = _check_sizes(table)
    if mistakes:
        raise StudyFileError(_message(path, mistakes))
    arguments, wrong_arguments = _take_arguments(table)
    wrong_recipe = take_recipe(table)
    sections, mistakes = _read_sections(table)
    mistakes += wrong_arguments + wrong_recipe
    mistakes += _import_network(sections, Path(path).parent, allow_import)
    mistakes += _place_weights(sections, Path(path).parent)
    space_table = table.get("space", {})
    if not isinstance(space_table, dict):
        mistakes.append(f"space: got {shorten(space_table)}; allowed: a table [space]")
        space_table = {}
    named = {name: value for name, value in space_table.items() if name != "exclude"}
    parameters, found = read_space(named)
    parameters |= arguments
    mistakes += found
    all_right = not found
    exclude, found = read_exclusions(space_table.get("exclude", []), parameters, named)
    mistakes += found
    mistakes += check_sections(sections, arguments)
    layers = _count_layers(sections, mistakes, arguments)
    mistakes += [] if mistakes else _check_augmentations(sections, parameters)
    if layers is not None and layers[0] != layers[1]:
        mistakes += check_changing_layers(parameters, *layers)
    mistakes += check_space(parameters, "exclude" in space_table, sections, layers and layers[0])
    if all_right:
        mistakes += check_effects(parameters, sections)
    mistakes += check_unused(parameters, sections)
    mistakes += check_fixed_layers(parameters, sections.get("quantiser"))
    if mistakes:
        raise StudyFileError(_message(path, mistakes))
    spec = StudySpec(space=Space(parameters=parameters, exclude=tuple(exclude)), **sections)
    return _complete(spec, layers and layers[0])


def _complete(spec: StudySpec, layers: int | None) -> StudySpec:
    """Return the study with its layers, and with the coding of its input by name: a later default may be another."""
    coding = coding_of(data_plan(spec.data, spec.quantiser))
    quantiser = spec.quantiser.model_copy(update={"input_coding": coding})
    return spec.model_copy(update={"quantiser": quantiser, "layers": layers})


def _import_network(sections: dict[str, Section], folder: Path, allowed: bool) -> list[str]:
    """Have a network's file imported where that is allowed, and give its name the absolute path; return mistakes."""
    network = sections.get("network")
    if not isinstance(network, Network) or not is_file_name(network.name):
        return []
    name = absolute_name(network.name, folder)
    sections["network"] = network.model_copy(update={"name": name})
    if not allowed:
        return [
            f"network.name: {network.name!r} is a file of Python code, and a study file alone imports nothing; "
            "allowed: with the option --import (as in `ana-search launch STUDY --import`), which runs it"
        ]
    try:
        import_code(name)
    except NetworkError as error:
        return [str(error)]
    return []


def _place_weights(sections: dict[str, Section], folder: Path) -> list[str]:
    """Give a file of weights to start from its absolute path; return a mistake where there is no such file."""
    training = sections.get("training")
    if not isinstance(training, Training) or not training.start.endswith(WEIGHTS_SUFFIXES):
        return []
    path = (folder / Path(training.start).expanduser()).resolve()
    if not path.is_file():
        what = "is no file" if path.exists() else "does not exist"
        return [f"training.start: got {shorten(training.start)}, and {path} {what}; allowed: random, float, a file"]
    sections["training"] = training.model_copy(update={"start": str(path)})
    return []


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
            known = [*model.model_fields, RECIPE] if name == "training" else list(model.model_fields)
            mistakes += describe(name, error.errors(include_url=False), known)
            sections |= _healthy_part(name, model, raw, error)
    return sections, mistakes


def _healthy_part(name: str, model: type[Section], raw: Toml, error: ValidationError) -> dict[str, Section]:
    """Return the section without its wrong keys, so that its other keys can still be checked; or nothing."""
    wrong = {str(one["loc"][0]) for one in error.errors(include_url=False) if one["loc"]}
    try:
        return {name: model.model_validate({key: value for key, value in raw.items() if key not in wrong})}
    except ValidationError:
        return {}


def _take_arguments(table: Toml) -> tuple[dict[str, Parameter], list[str]]:
    """Take the searched arguments of the network's function out of ``[network]``; return them, and mistakes."""
    network = table.get("network")
    if not isinstance(network, dict):
        return {}, []
    arguments, mistakes = read_arguments(network)
    table["network"] = {
        key: value
        for key, value in network.items()
        if key in ("name", "classifier") or not isinstance(value, list | dict)
    }
    return arguments, mistakes


def _check_augmentations(sections: Mapping[str, Section], parameters: Mapping[str, Parameter]) -> list[str]:
    """Return a message for the first augmentation, of the section or of a trial, that the examples cannot have."""
    data = sections["data"]
    assert isinstance(data, Data)
    try:
        shape, _ = dataset_info(data_plan(data))
        for text in sorted(values_of("augment", parameters, sections)):
            check_augmentations(names_of(text), shape)
    except DataError as error:
        return [str(error)]
    return []


def _count_layers(
    sections: Mapping[str, Section], mistakes: list[str], arguments: Mapping[str, Parameter]
) -> tuple[int, int] | None:
    """Return the least and the largest number of quantised layers of the networks that a trial may have on the data.

    They are built with the first and the last of the values of every argument that is searched. ``None`` where network
    or data are wrong: a network or data set that exists and cannot be used adds a message to ``mistakes``.
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
        ends = [{name: _ends(each)[end] for name, each in arguments.items()} for end in (0, 1)]
        quantiser = sections.get("quantiser")
        known = quantiser if isinstance(quantiser, Quantiser) else None
        plans = dict.fromkeys(network_plan(network, arguments, params, known) for params in ends)
        names = [layer_names(plan, input_shape, classes) for plan in plans]
        mistakes += [] if known is None else check_layers(known, names)
        counts = [len(each) for each in names]
        return min(counts), max(counts)
    except AnaSearchError as error:
        section = "data" if isinstance(error, DataError) else "network"
        message = str(error)
        mistakes.append(message if message.startswith(f"{section}.") else f"{section}: {message}")
        return None


def _ends(parameter: Parameter) -> tuple[Value, Value]:
    """Return the first and the last value of a searched argument."""
    if isinstance(parameter, Choice):
        return parameter.choices[0], parameter.choices[-1]
    if isinstance(parameter, Range):
        return parameter.low, parameter.high
    raise TypeError(f"not searched: {parameter}")


def _is_wrong(key: str, mistakes: list[str]) -> bool:
    return any(mistake.startswith(key) for mistake in mistakes)
