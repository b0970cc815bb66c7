"""Recipes by name: what they stand for, what overrides them, and what the page says of them."""

import json
import re
from pathlib import Path

import pytest

from ana_search.errors import StudyFileError
from ana_search.study_file import load_study_file
from ana_search.study_file.recipes import RECIPES
from tests.study_file.texts import study_text

PAGE = Path(__file__).parents[2] / "docs" / "study-file.md"


def training_of(folder: Path, training: str, space: str = "") -> dict[str, object]:
    """Return ``[training]`` of a study."""
    path = folder / "mine.toml"
    path.write_text(study_text(training=training, space=space))
    return load_study_file(path).training.model_dump()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_its_values(name: str, tmp_path: Path) -> None:
    found = training_of(tmp_path, f'recipe = "{name}"')
    assert {key: found[key] for key in RECIPES[name]} == dict(RECIPES[name])
    assert found["epochs"] == 2


def test_what_the_file_gives_stays(tmp_path: Path) -> None:
    """A schedule with a warm-up of its own leaves the recipe's without an effect, and so out."""
    found = training_of(tmp_path, 'recipe = "full"\nlearning_rate = 0.5\nschedule = "one_cycle"\nteacher = "none"')
    assert (found["learning_rate"], found["schedule"], found["teacher"]) == (0.5, "one_cycle", "none")
    assert (found["warmup"], found["average"]) == (0.0, "ema")


def test_a_recipe_beside_searched_keys(tmp_path: Path) -> None:
    found = training_of(tmp_path, 'recipe = "fast"', 'schedule = ["drop", "one_cycle"]')
    assert found["warmup"] == 0.1


def test_an_unknown_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        StudyFileError, match=r"training.recipe: got 'ful' .did you mean 'full'.*; allowed: paper, fast"
    ):
        training_of(tmp_path, 'recipe = "ful"')
    with pytest.raises(StudyFileError, match=r"training.recpie: .*did you mean 'recipe'"):
        training_of(tmp_path, 'recpie = "full"')
    with pytest.raises(StudyFileError, match=r"training.recipe: got 3; allowed: paper, fast, full"):
        training_of(tmp_path, "recipe = 3")


def test_the_page_writes_every_recipe_out() -> None:
    text = PAGE.read_text(encoding="utf-8").split("## Recipes\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    rows = [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines]
    for column, name in enumerate(RECIPES, start=1):
        said = {key: json.loads(cells[column - 1]) for key, *cells in rows if cells[column - 1]}
        assert said == dict(RECIPES[name])
    assert re.search("the file does not give its own", text)
