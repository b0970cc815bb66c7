"""Another data set, or another network's code, than a study was started with: refused by name, or taken on purpose."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ana_search.confirm import confirm_study
from ana_search.data import arrays, fingerprint, load_dataset, load_images
from ana_search.data.fingerprints import data_changes
from ana_search.dispatch.local import LocalDispatcher
from ana_search.errors import StudyChangedError
from ana_search.export.from_study import export_study
from ana_search.plan import DataPlan
from ana_search.rerun import rerun_trial
from ana_search.runner import launch
from ana_search.storage import open_study
from ana_search.storage.provenance import StudyData
from ana_search.study_file import StudySpec, load_study_file

NETWORK = """\
from torch import nn


def make(input_shape, classes):
    channels, height, width = input_shape
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.Hardtanh(), nn.Flatten(),
        nn.Linear(4 * height * width, classes),
    )
"""
STUDY = """\
[study]
name = "pictures"
trials = 1
sampler = "random"
[data]
name = "image_folder"
root = "{root}"
[network]
name = "net.py:make"
[training]
epochs = 2
batch_size = 8
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a study, its network and 40 dark pictures of two classes, launched once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    draw = np.random.default_rng(0)
    for number in range(50):
        place = tmp_path / "images" / ("train" if number < 40 else "test") / ("left", "right")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 60, (6, 6), dtype=np.uint8)
        pixels[:, : 3 * (number % 2)] //= 2
        Image.fromarray(pixels).save(place / f"{number}.png")
    (tmp_path / "net.py").write_text(NETWORK)
    (tmp_path / "study.toml").write_text(STUDY.format(root=tmp_path / "images"))
    run(tmp_path)
    return tmp_path


def spec_of(folder: Path) -> StudySpec:
    return load_study_file(folder / "study.toml", allow_import=True)


def run(folder: Path, **options: Any) -> list[str]:
    """Launch the study; return what was said."""
    said: list[str] = []
    progress = Recorder(said)
    launch(spec_of(folder), runs=folder / "runs", dispatcher=LocalDispatcher(), progress=progress, **options)  # type: ignore[arg-type]  # of tests
    return said


class Recorder:
    """Progress that keeps messages and nothing else."""

    def __init__(self, said: list[str]) -> None:
        self.message = said.append

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def brighten(folder: Path, part: str = "train") -> None:
    for file in (folder / "images" / part).rglob("*.png"):
        with Image.open(file) as image:
            image.point(lambda value: min(255, 2 * value + 30)).save(file)


WAYS: dict[str, Callable[..., object]] = {
    "launch": lambda folder, **options: run(folder, **options),
    "export": lambda folder, **options: export_study("pictures", folder / "out", runs=folder / "runs", **options),
    "confirm": lambda folder, **options: confirm_study("pictures", seeds=2, runs=folder / "runs", **options),
    "rerun": lambda folder, **options: rerun_trial("pictures", 0, runs=folder / "runs", **options),
}


def test_brightened_images_are_refused_by_name_or_taken_on_purpose(folder: Path) -> None:
    stored = open_study("pictures", runs=folder / "runs")
    plan = stored.plan(0).data
    then = StudyData(stored).dataset(plan).coding
    for way in WAYS.values():
        way(folder)
    brighten(folder)
    for way in WAYS.values():
        with pytest.raises(StudyChangedError, match=r"images for search: their SHA-256 was .*\n(.*\n)*.*--accept-ch"):
            way(folder)
    now = StudyData(stored, accept_changes=True).dataset(plan)
    assert torch.equal(now.coding.values, then.values)
    assert not torch.equal(load_dataset(plan).coding.values, then.values)
    assert "coding stays that of the start" in "".join(stored.notes)
    for name in ("export", "confirm", "rerun", "launch"):
        WAYS[name](folder, accept_changes=True)
    confirmations = json.loads((folder / "runs" / "pictures" / "confirm.json").read_text())["runs"]
    assert [entry["seed"] for entry in confirmations[:2]] == [entry["seed"] for entry in confirmations[2:]]
    assert len({entry["trained_on"] for entry in confirmations}) == 2  # confirmed again, on the images of now
    assert run(folder) == []  # the images of now are those that were accepted
    WAYS["confirm"](folder)
    assert len(json.loads((folder / "runs" / "pictures" / "confirm.json").read_text())["runs"]) == 4
    recorded = StudyData(open_study("pictures", runs=folder / "runs")).dataset(plan)
    assert torch.equal(recorded.coding.values, then.values)


def test_an_exported_file_computes_what_was_trained_after_a_change(folder: Path) -> None:
    """The pixels of then give the same predictions in a file that was exported among the pixels of now."""
    export_study("pictures", folder / "then", runs=folder / "runs")
    brighten(folder)
    export_study("pictures", folder / "now", runs=folder / "runs", accept_changes=True)
    one, other = ((folder / name / "trial-0000.onnx").read_bytes() for name in ("then", "now"))
    assert one == other


def test_a_change_of_the_code_is_named(folder: Path) -> None:
    (folder / "net.py").write_text(NETWORK.replace("Hardtanh", "ReLU"))
    with pytest.raises(StudyChangedError, match=r"the network's code: net\.py has changed"):
        run(folder)
    run(folder, accept_changes=True)
    assert run(folder) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda root: next((root / "train" / "left").iterdir()).unlink(),
            "examples for search: was 40, is 39",
        ),
        (
            lambda root: next((root / "test" / "left").iterdir()).unlink(),
            "examples for the test: was 10, is 9",
        ),
        (
            lambda root: [(each / "left").rename(each / "port") for each in root.iterdir()],
            "classes: was left, right",
        ),
    ],
)
def test_what_has_changed_is_named(folder: Path, change: Callable[[Path], object], named: str) -> None:
    change(folder / "images")
    with pytest.raises(StudyChangedError, match=named):
        run(folder)


def test_a_moved_project_is_the_same_study(folder: Path) -> None:
    """Neither the place nor the time of files is looked at, only what is in them."""
    (folder / "moved").mkdir()
    for name in ("net.py", "study.toml", "images", "runs"):
        (folder / name).rename(folder / "moved" / name)
    (folder / "images").symlink_to(folder / "moved" / "images")
    for file in (folder / "moved" / "images").rglob("*.png"):
        file.touch()
    assert run(folder / "moved", trials=2) == []


def test_a_study_without_a_fingerprint_says_so(folder: Path) -> None:
    stored = open_study("pictures", runs=folder / "runs", write=True)
    stored.study.set_user_attr("provenance", None)
    assert any("has recorded no fingerprint" in line for line in run(folder))
    assert run(folder) == []


@pytest.mark.parametrize("in_memory", [1 << 30, 0])
def test_of_large_data_evenly_spaced_examples_are_looked_at(
    tmp_path: Path, in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "IN_MEMORY", in_memory)
    monkeypatch.setattr("ana_search.data.fingerprints.WHOLE", 100)
    monkeypatch.setattr("ana_search.data.fingerprints.SAMPLED", 120)
    x, y = np.arange(480, dtype=np.uint8).reshape(120, 4), np.arange(120) % 2
    for name, array in {"x": x, "y": y, "x_test": x, "y_test": y}.items():
        np.save(tmp_path / f"{name}.npy", array)
    plan = DataPlan("arrays", root=str(tmp_path))
    then = fingerprint(load_images(plan))
    assert then.sampled == 30
    x[-1, 0] += 1
    np.save(tmp_path / "x.npy", x)
    (line, *_) = data_changes(then, fingerprint(load_images(plan)))
    assert line.startswith("images for search (30 evenly spaced ones of them were looked at): ")
    assert json.dumps(then.to_json())
    assert type(then).from_json(json.loads(json.dumps(then.to_json()))) == then
