from pathlib import Path

import pytest

from ana_search.study_file import StudySpec, load_study_file, spec_changes
from tests.study_file.corpus import GOOD


def _load(folder: Path, text: str) -> StudySpec:
    path = folder / "study.toml"
    path.write_text(text)
    return load_study_file(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("trials = 10", "trials = 1000"),
        ("trials = 10", 'storage = "sqlite:///elsewhere.db"'),
        ("seeds = 1", "seeds = 2"),
        ("workers = 1", "workers = 8\ngpus_per_trial = 0.5"),
        ("low = -0.2, high = 0.2", "low = -0.4, high = 0.2"),
        ("low = -0.2, high = 0.2", "low = -0.25, high = 0.5"),
        ('weight_bits = "ternary"', ""),
    ],
)
def test_free_to_change(old: str, new: str, tmp_path: Path) -> None:
    assert spec_changes(_load(tmp_path, GOOD), _load(tmp_path, GOOD.replace(old, new, 1))) == []


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('name = "good"', 'name = "other"', "study.name: was 'good', is 'other'"),
        ('sampler = "tpe"', 'sampler = "random"', "study.sampler"),
        ("validation = 0.25", "validation = { folds = 4 }", "data.validation"),
        ("width = 8", "", "network.width: was 8, is not given"),
        ("epochs = 2", "epochs = 3", "training.epochs: was 2, is 3"),
        ('weight_bits = "ternary"', "weight_bits = 2", "quantiser.weight_bits: was 'ternary', is 2"),
        ("low = -0.2, high = 0.2", "low = -0.1, high = 0.2", "space.offset"),
        ('high = 0.2, scope = "layer"', "high = 0.2", "space.offset"),
        ('["uniform", "normal"]', '["uniform", "normal", "logistic"]', "space.noise"),
        (
            '["uniform", "normal"]',
            '"uniform"',
            "space.noise: was {choices = ['uniform', 'normal'], scope = 'network'}",
        ),
        ('noise = ["uniform", "normal"]', "", "space.noise"),
        ("[space]", "[space]\nspread = 0.25", "space.spread: was not given, is 0.25"),
    ],
)
def test_not_free_to_change(old: str, new: str, named: str, tmp_path: Path) -> None:
    changes = spec_changes(_load(tmp_path, GOOD), _load(tmp_path, GOOD.replace(old, new, 1)))
    assert len(changes) == 1
    assert changes[0].startswith(named)


def test_replicates_may_be_added_but_not_taken_away(tmp_path: Path) -> None:
    two, three = (_load(tmp_path, GOOD.replace("seeds = 1", f"seeds = {seeds}")) for seeds in (2, 3))
    assert spec_changes(two, three) == []
    assert spec_changes(three, two) == ["study.seeds: was 3, is 2; allowed: 3 or more"]


def test_a_stepped_range_widens_by_whole_steps(tmp_path: Path) -> None:
    def stepped(low: float, high: float) -> StudySpec:
        line = f"low = {low}, high = {high}, step = 0.1"
        return _load(tmp_path, GOOD.replace("low = -0.2, high = 0.2", line))

    old = stepped(-0.2, 0.2)
    assert spec_changes(old, stepped(-0.3, 0.2)) == []
    assert spec_changes(old, stepped(-0.25, 0.25)) != []


def test_json_keeps_everything_but_the_storage(tmp_path: Path) -> None:
    spec = _load(tmp_path, GOOD.replace("trials = 10", 'storage = "postgresql://user:hunter2@host/db"'))
    assert "hunter2" not in spec.to_json()
    again = StudySpec.from_json(spec.to_json())
    assert again.study.storage is None
    assert spec_changes(spec, again) == []
    assert again.space == spec.space
