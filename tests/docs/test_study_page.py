"""The page on the study file names every key, with its default and all that it may be."""

import json
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from ana_search.data import DATASETS
from ana_search.networks import NETWORKS
from ana_search.objectives import OBJECTIVES
from ana_search.study_file import KEYS, StudySpec, load_study_file

PAGE = Path(__file__).parents[2] / "docs" / "study-file.md"
_OTHERS = ("space", "layers")  # a table of its own, and what the file does not say
SECTIONS: dict[str, Any] = {
    name: field.annotation for name, field in StudySpec.model_fields.items() if name not in _OTHERS
}
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def rows(section: str) -> dict[str, list[str]]:
    """Return the cells after the key's, for each key in the section's table."""
    text = PAGE.read_text(encoding="utf-8").split(f"## `[{section}]`\n")[1].split("\n## ")[0]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    return {key.strip("`"): cells for key, *cells in table}


def written(value: Any) -> str:
    """Return a default as the page has it."""
    if isinstance(value, tuple):
        value = value[0] if len(value) == 1 else list(value)
    return "none" if value is None else f"`{json.dumps(value)}`"


def names(annotation: Any) -> set[str]:
    """Return the words that a type allows."""
    if get_origin(annotation) is Literal:
        return {word for word in get_args(annotation) if isinstance(word, str)}
    return set().union(*(names(part) for part in get_args(annotation)))


@pytest.mark.parametrize("section", SECTIONS)
def test_keys_defaults_and_names_are_those_of_the_section(section: str) -> None:
    fields = SECTIONS[section].model_fields
    table = rows(section)
    assert list(table) == list(fields)
    for key, field in fields.items():
        default, allowed = table[key]
        assert default == ("required" if field.is_required() else written(field.default)), key
        for name in names(field.annotation):
            assert f'"{name}"' in allowed, key


@pytest.mark.parametrize(("section", "registry"), [("data", DATASETS), ("network", NETWORKS)])
def test_all_data_sets_and_networks_are_named(section: str, registry: dict[str, Any]) -> None:
    _default, allowed = rows(section)["name"]
    assert re.findall(r'`"(\w+)"`', allowed) == list(registry)


def test_keys_of_the_space_are_all_there_with_what_they_may_be() -> None:
    table = rows("space")
    assert list(table) == list(KEYS)
    for name, key in KEYS.items():
        default, allowed, layer, meaning = table[name]
        assert meaning == key.meaning, name
        assert default == (f"`[{key.section}]`" if key.default is None else written(key.default)), name
        assert allowed == key.allowed(), name
        assert layer == ("yes" if key.per_layer else ""), name


def test_the_objectives_are_all_there_as_they_are_computed() -> None:
    text = PAGE.read_text(encoding="utf-8").split("## Objectives and constraints\n")[1].split("\n## ")[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    assert lines == [
        [f"`{one.name}`", "more" if one.maximise else "less", one.unit or "share", f"`{one.column}`", one.meaning]
        for one in OBJECTIVES.values()
    ]


def test_the_example_is_a_study(tmp_path: Path) -> None:
    whole, rule = EXAMPLES
    path = tmp_path / "page.toml"
    path.write_text(whole)
    assert set(load_study_file(path).space.parameters) >= {"strategy", "interval", "learning_rate", "offset", "noise"}
    grid = whole.split("[space]")[0].replace('"random"', '"grid"')
    keys = (
        'mean = ["static", "dynamic"]\nvariance = ["static", "dynamic"]\nstrategy = ["expectation", "mode", "random"]\n'
    )
    path.write_text(f'{grid}[space]\n{keys}interval = ["overlapped", "partition"]\n{rule}')
    assert len(load_study_file(path).space.exclude) == 1
