"""Every file in studies/: found by name, valid, documented, and it trains."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ana_search.errors import StudyNotFoundError
from ana_search.plan import TrainingPlan, compress
from ana_search.planner import make_plan
from ana_search.shipped import find_study_file, shipped_studies
from ana_search.space import grid, layer_count, make_sampler, replicate_seed, requested_trials, suggest
from ana_search.study_file import StudySpec, load_study_file
from ana_search.training import train
from tests.studies.conftest import FILES, skip_without_data

PROMISED = {
    "backward",
    "methods",
    "cifar10_small",
    "mixed_precision",
    "paper_cifar10",
    "paper_svhn",
    "pareto",
    "per_layer",
    "quickstart",
    "recipes",
    "ste_variants",
}

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def _plans(spec: StudySpec) -> list[TrainingPlan]:
    """Return the plan of every cell of a grid, or of five trials of a search."""
    seed = replicate_seed(spec, 0)
    if spec.study.sampler == "grid":
        return [make_plan(spec, cell, seed) for cell in grid(spec)]
    import optuna

    directions = ["maximize", "minimize"][: len(spec.study.objective)]
    study = optuna.create_study(directions=directions, sampler=make_sampler(spec))
    return [make_plan(spec, suggest(study.ask(), spec), seed) for _ in range(5)]


def test_all_promised_studies_are_there() -> None:
    assert {file.stem for file in FILES} == PROMISED


@each_file
def test_it_validates_and_its_plans_are_built(file: Path, in_repository: None) -> None:
    skip_without_data(file)
    spec = load_study_file(file)
    assert spec.study.name == file.stem
    assert requested_trials(spec) >= 20
    plans = _plans(spec)
    assert len({plan.hash for plan in plans}) == len(plans)
    for plan in plans:
        assert len(plan.layers) == layer_count(spec)
        assert TrainingPlan.from_json(plan.to_json()) == plan


@each_file
def test_two_epochs_of_it_train(file: Path, in_repository: None) -> None:
    """One plan of the study in two epochs; large studies on a narrow network and the digits, to be quick."""
    skip_without_data(file)
    plan = compress(_plans(load_study_file(file))[0], 2)
    if plan.data.name != "digits":
        images = {"train_size": 300} if plan.data.name == "image_folder" else {"name": "digits", "train_size": 300}
        plan = replace(
            plan,
            data=replace(plan.data, **images),
            network=replace(plan.network, width=4),
            training=replace(plan.training, batch_size=64),
        )
    result = train(plan)
    assert 0.0 <= result.accuracy <= 1.0
    assert len(result.history) == 2


@each_file
def test_it_opens_with_its_command_and_its_cost(file: Path) -> None:
    first, *lines = file.read_text(encoding="utf-8").splitlines()
    assert first.startswith(f"# ana-search launch {file.stem}")
    header = []
    for line in lines:
        if not line.startswith("#"):
            break
        header.append(line)
    assert re.search(r"^# Cost: \S+", "\n".join(header), re.MULTILINE)


def test_they_are_listed_with_question_and_cost() -> None:
    rows = {row["study"]: row for row in shipped_studies()}
    assert set(rows) == PROMISED
    for name, row in rows.items():
        assert row["command"].startswith(f"ana-search launch {name}")
        assert len(row["question"]) > 20
        assert len(row["cost"]) > 20


def test_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_study_file("quickstart").name == "quickstart.toml"
    (tmp_path / "mine.toml").write_text("")
    assert find_study_file("mine.toml") == Path("mine.toml")
    (tmp_path / "quickstart").mkdir()
    assert find_study_file("quickstart").is_file()
    with pytest.raises(StudyNotFoundError, match="did you mean 'quickstart'"):
        find_study_file("quickstrat")
    with pytest.raises(StudyNotFoundError, match="does not exist"):
        find_study_file("no/such/file.toml")
    with pytest.raises(StudyNotFoundError, match="is a folder"):
        find_study_file(str(tmp_path))


def test_the_readme_names_every_study() -> None:
    text = (FILES[0].parent / "README.md").read_text(encoding="utf-8")
    for file in FILES:
        assert f"`{file.stem}`" in text
