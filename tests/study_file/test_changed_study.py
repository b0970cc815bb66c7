"""A study that has begun and a study file that was changed since: what goes on, and what is refused with exit 2."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ana_search.cli import main
from ana_search.results import load_results
from ana_search.runner import launch
from ana_search.study_file import load_study_file
from ana_search.testing import SimulatedDispatcher, fixed_fate

STUDY = """\
[study]
name = "changing"
sampler = "random"
trials = 6
seeds = 2
[data]
name = "digits"
[network]
name = "digits_cnn"
width = 4
[training]
epochs = 2
[space]
noise = ["uniform", "normal"]
alpha = { low = 1.0, high = 2.0 }
[resources]
workers = 1
"""
Go = Callable[[str], int]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the study has been run."""
    folder = tmp_path_factory.mktemp("begun")
    _launch(folder, STUDY)
    return folder


def _launch(folder: Path, text: str) -> int:
    """Run the study, or go on with it, on simulated workers; return how many trials are finished."""
    path = folder / "changing.toml"
    path.write_text(text)
    dispatcher = SimulatedDispatcher(1, fixed_fate(1.0))
    return launch(load_study_file(path), runs=folder / "runs", dispatcher=dispatcher).finished


@pytest.fixture
def folder(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "copy"))


def _files(folder: Path) -> list[Path]:
    """Return the files below ``folder``, but for those that SQLite has beside an open database."""
    return sorted(path for path in folder.rglob("*") if not path.name.endswith(("-wal", "-shm")))


def test_trials_resources_seeds_and_wider_ranges_go_on(folder: Path) -> None:
    text = STUDY.replace("trials = 6", "trials = 10").replace("workers = 1", "workers = 2")
    text = text.replace("seeds = 2", "seeds = 3").replace("high = 2.0", "high = 3.0")
    assert _launch(folder, text) == 10
    frame = load_results("changing", runs=folder / "runs")
    assert list(frame.groupby(["noise", "alpha"]).size().sort_values()) == [1, 3, 3, 3]
    assert frame.groupby(["noise", "alpha"])["seed"].nunique().sum() == 10


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("seeds = 2", "seeds = 1", "study.seeds: was 2, is 1"),
        ("high = 2.0", "high = 1.5", "space.alpha: was {low = 1.0, high = 2.0"),
        ('"normal"]', '"logistic"]', "space.noise"),
        ("epochs = 2", "epochs = 3", "training.epochs: was 2, is 3"),
    ],
)
def test_anything_else_is_refused(
    old: str,
    new: str,
    named: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "changing.toml").write_text(STUDY.replace(old, new))
    monkeypatch.chdir(folder)
    before = _files(folder)
    with pytest.raises(SystemExit) as exit_:
        main(["launch", "changing.toml"])
    assert exit_.value.code == 2
    message = capsys.readouterr().err
    assert named in message
    assert (
        "allowed: changing study.trials, study.logger and [resources], more study.seeds, wider numeric ranges"
        in message
    )
    assert "Traceback" not in message
    assert _files(folder) == before


def test_a_set_drawn_twice_becomes_a_replicate_with_a_new_seed(tmp_path: Path) -> None:
    text = STUDY.replace("seeds = 2", "seeds = 1").replace("trials = 6", "trials = 12")
    assert _launch(tmp_path, text.replace("alpha = { low = 1.0, high = 2.0 }\n", "")) == 12
    frame = load_results("changing", runs=tmp_path / "runs")
    for _, one in frame.groupby("noise"):
        assert sorted(one["replicate"]) == list(range(len(one)))
        assert one["seed"].nunique() == len(one)
    assert frame["seed"].nunique() == len(frame)
