"""`export` and `confirm` as users run them, on one small study with two objectives."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import optuna
import pytest
from scipy import stats

from ana_search.storage import RunFolder

STUDY = """
[study]
name = "small"
objective = ["val_accuracy", "weight_bits"]
sampler = "grid"
[data]
name = "digits"
train_size = 400
validation = 0.25
[network]
name = "digits_cnn"
width = 4
[training]
epochs = 3
batch_size = 32
learning_rate = 1e-2
[space]
noise = ["uniform", "normal"]
weight_bits = ["ternary", 4]
interval = "same_start"
backward = "static"
"""
MAIN = "from ana_search.cli import main; main()"
# Raises one threshold of the frozen network by 1 before anything is written.
ONE_OFF = """
from ana_search.export import models
from ana_search.export.integer.operations import Thresholds
freeze = models.freeze_trained
def one_off(network, dataset):
    frozen = freeze(network, dataset)
    next(each for each in frozen.operations if isinstance(each, Thresholds)).thresholds.add_(1)
    return frozen
models.freeze_trained = one_off
"""


def ana_search(folder: Path, *words: str, before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", before + MAIN, *words],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def data_of(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the study is launched, confirmed and its best trial exported."""
    path = tmp_path_factory.mktemp("small")
    (path / "small.toml").write_text(STUDY)
    done = ana_search(path, "launch", "small.toml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def best(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = data_of(ana_search(folder, "best", "small", "--format", "json"))
    assert len(rows) == 4
    return rows


@pytest.fixture(scope="module")
def confirmed(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = data_of(ana_search(folder, "confirm", "small", "--seeds", "2", "--format", "json"))
    return result


@pytest.fixture(scope="module")
def exported(folder: Path, confirmed: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of the best trial, exported after it was confirmed."""
    done = ana_search(folder, "export", "small", "--top", "1", "--out", "models", "--output", "json")
    manifest: dict[str, Any] = data_of(done)
    assert manifest == json.loads((folder / "models" / "manifest.json").read_text())
    return manifest


def test_confirm_has_mean_and_interval_of_fresh_seeds(confirmed: dict[str, Any], best: list[dict[str, Any]]) -> None:
    (row,) = confirmed["confirmed"]
    assert (confirmed["study"], confirmed["level"]) == ("small", 0.95)
    assert row["trials"] == [best[0]["number"]]
    assert row["search"] == best[0]["value"]
    assert row["params"] == best[0]["params"]
    assert len(set(row["seeds"])) == 2
    assert not set(row["seeds"]) & {each["seed"] for each in best}
    mean, half = np.mean(row["accuracies"]), stats.t.ppf(0.975, 1) * stats.sem(row["accuracies"])
    assert (row["test"], row["low"], row["high"]) == pytest.approx((mean, mean - half, mean + half))


@pytest.mark.slow
def test_confirming_again_trains_nothing(folder: Path, confirmed: dict[str, Any]) -> None:
    no_training = "import ana_search.confirm as c; c.train = lambda *_, **__: 1 / 0\n"
    again = ana_search(folder, "confirm", "small", "--seeds", "2", "--format", "json", before=no_training)
    assert data_of(again) == confirmed


def test_confirm_wants_two_seeds(folder: Path) -> None:
    done = ana_search(folder, "confirm", "small", "--seeds", "1")
    assert done.returncode == 2
    assert "--seeds" in done.stderr


def test_the_manifest_states_three_accuracies(
    exported: dict[str, Any], best: list[dict[str, Any]], confirmed: dict[str, Any]
) -> None:
    (model,) = exported["models"]
    (row,) = confirmed["confirmed"]
    assert model["trial"] == best[0]["number"]
    assert model["params"] == best[0]["params"]
    assert model["plan_hash"] == best[0]["plan_hash"]
    assert model["accuracy"]["validation"] == best[0]["value"]
    assert model["accuracy"]["frozen"] == pytest.approx(best[0]["value"], abs=1e-9)
    test = model["accuracy"]["test"]
    assert test["mean"] == row["test"]
    assert (test["low"], test["high"], test["accuracies"]) == (row["low"], row["high"], row["accuracies"])


def test_best_states_the_frozen_accuracy(folder: Path, exported: dict[str, Any]) -> None:
    rows = data_of(ana_search(folder, "best", "small", "--format", "json"))
    assert rows[0]["frozen"] == exported["models"][0]["accuracy"]["frozen"]
    assert "frozen" not in rows[-1]
    assert "frozen" in ana_search(folder, "best", "small").stdout


def test_the_file_runs_in_onnxruntime(folder: Path, exported: dict[str, Any]) -> None:
    (model,) = exported["models"]
    session = onnxruntime.InferenceSession(folder / "models" / model["file"])
    with np.load(folder / "models" / model["validation_sample"]) as sample:
        logits = session.run(None, {"pixels": sample["inputs"]})[0]
        assert np.array_equal(logits.argmax(axis=1), sample["predictions"])


def test_files_are_offered_on_the_dashboard(folder: Path, exported: dict[str, Any]) -> None:
    place = RunFolder(folder / "runs", "small")
    study = optuna.load_study(study_name="small", storage=f"sqlite:///{place.database}")
    listed = [
        json.loads(value)
        for key, value in study._storage.get_study_system_attrs(study._study_id).items()
        if key.startswith("artifacts:")
    ]
    identifiers = {each["filename"]: each["artifact_id"] for each in listed}
    for name in (exported["models"][0]["file"], "manifest.json"):
        assert (place.artifacts / identifiers[name]).read_bytes() == (folder / "models" / name).read_bytes()


def test_check_accepts_and_refuses(folder: Path, exported: dict[str, Any]) -> None:
    assert data_of(ana_search(folder, "export", "small", "--check", "models", "--output", "json")) == exported
    other = ana_search(folder, "export", "quickstart", "--check", "models")
    assert other.returncode == 2
    assert "it is of study 'small', not of 'quickstart'" in other.stderr
    file = folder / "models" / exported["models"][0]["file"]
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-1])
        done = ana_search(folder, "export", "--check", "models")
        assert done.returncode == 2
        assert f"{file.name}: it is truncated: {len(whole) - 1} bytes, the manifest says {len(whole)}" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        file.write_bytes(whole)


@pytest.mark.slow
def test_one_trial(folder: Path, best: list[dict[str, Any]]) -> None:
    worst = best[-1]["number"]
    manifest = data_of(ana_search(folder, "export", "small", "--trial", str(worst), "--out", "one", "--output", "json"))
    assert [model["trial"] for model in manifest["models"]] == [worst]
    assert manifest["models"][0]["accuracy"]["test"] is None


@pytest.mark.slow
def test_pareto_front(folder: Path, best: list[dict[str, Any]]) -> None:
    values = {row["number"]: row["values"] for row in best}

    def beaten(number: int) -> bool:
        accuracy, bits = values[number]
        return any(
            other >= accuracy and fewer <= bits and (other, fewer) != (accuracy, bits)
            for other, fewer in values.values()
        )

    front = sorted(number for number in values if not beaten(number))
    manifest = data_of(ana_search(folder, "export", "small", "--pareto", "--out", "front", "--output", "json"))
    assert [model["trial"] for model in manifest["models"]] == front


def test_a_mismatch_is_exit_1_and_no_file(folder: Path) -> None:
    done = ana_search(folder, "export", "small", "--top", "1", "--out", "wrong", before=ONE_OFF)
    assert done.returncode == 1
    assert "does not compute what the trained network computes" in done.stderr
    assert "codes of layer" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((folder / "wrong").iterdir()) == []


WRONG = {
    "two choices": (["small", "--top", "1", "--trial", "0", "--out", "x"], "exclude each other"),
    "no such trial": (["small", "--trial", "99", "--out", "x"], "trial 99 is not complete; allowed: the complete"),
    "no folder": (["small"], "needs STUDY and --out"),
    "format": (["small", "--out", "x", "--format", "tflite"], "allowed are onnx, qdq, qonnx, pt2, c"),
    "no manifest": (["--check", "runs"], "manifest.json: no such file"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", WRONG)
def test_wrong_requests(mistake: str, folder: Path) -> None:
    words, reason = WRONG[mistake]
    done = ana_search(folder, "export", *words)
    assert done.returncode == 2
    assert reason in done.stderr
    assert not (folder / "x").exists()
