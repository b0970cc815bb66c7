"""`mixed_precision` through the command line, made small: its best network's file is within the budget."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto

from ana_search.shipped import find_study_file
from tests.runner.commands import run

pytestmark = pytest.mark.slow

BUDGET = 17_000
BITS = {TensorProto.INT2: 2, TensorProto.INT4: 4, TensorProto.INT8: 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which 16 trials of the study were launched, one epoch each on few digits."""
    folder = tmp_path_factory.mktemp("mixed")
    text = find_study_file("mixed_precision").read_text(encoding="utf-8")
    assert f'constraints = ["bytes <= {BUDGET:_}"]' in text
    for old, new in (("epochs = 20", "epochs = 1"), ("trials = 150", "trials = 16"), ("workers = 2", "workers = 1")):
        assert old in text
        text = text.replace(old, new)
    text = text.replace("validation = 0.25", "validation = 0.25\ntrain_size = 200")
    (folder / "mixed_precision.toml").write_text(text, encoding="utf-8")
    done = run(folder, "launch", "mixed_precision.toml", timeout=900)
    assert done.returncode == 0, done.stderr
    assert "16 of 16 trials finished" in done.stdout
    return folder


def asked(folder: Path, *words: str) -> Any:
    done = run(folder, *words, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_breaks_the_budget_is_counted_and_not_trained(folder: Path) -> None:
    status = asked(folder, "status", "mixed_precision")
    broken = status["infeasible"]["bytes <= 17000"]
    assert 0 < broken < 16
    assert (status["states"]["INFEASIBLE"], status["states"]["COMPLETE"]) == (broken, 16 - broken)
    assert len(list((folder / "runs" / "mixed_precision").glob("*/*/network.pt"))) == 16 - broken
    done = run(folder, "status", "mixed_precision")
    assert re.search(rf"{broken} INFEASIBLE", done.stdout)
    assert re.search(rf"constraints\s+bytes <= 17000: {broken} trials break it", done.stdout)


def test_the_best_network_is_within_the_budget_in_its_file(folder: Path) -> None:
    best = asked(folder, "best", "mixed_precision", "--top", "1")[0]
    assert best["figures"]["bytes"] <= BUDGET
    done = run(folder, "export", "mixed_precision", "--out", "models")
    assert done.returncode == 0, done.stderr
    entry = json.loads((folder / "models" / "manifest.json").read_text())["models"][0]
    assert entry["trial"] == best["number"]
    assert entry["infeasible"] is None
    packed = classifier = 0
    for tensor in onnx.load(folder / "models" / entry["file"]).graph.initializer:
        size = 1
        for length in tensor.dims:
            size *= length
        if tensor.data_type in BITS and len(tensor.dims) in (2, 4):
            packed += -(-size * BITS[tensor.data_type] // 8)
            assert len(tensor.raw_data) == -(-size * BITS[tensor.data_type] // 8)
        if tensor.data_type == TensorProto.FLOAT and list(tensor.dims) in ([10, 128], [10]):
            classifier += 4 * size
    assert classifier == 4 * (1280 + 10)
    assert 0 < packed + classifier <= best["figures"]["bytes"] <= BUDGET


def test_the_table_of_trials_has_the_figures(folder: Path) -> None:
    done = run(folder, "analyse", "mixed_precision", "--out", "results")
    assert (folder / "results" / "trials.csv").is_file(), done.stderr
    with (folder / "results" / "trials.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 16
    for row in rows:
        assert (float(row["bytes"]) > BUDGET) == (row["state"] == "INFEASIBLE") == bool(row["infeasible"])
        assert float(row["operations"]) > 0
