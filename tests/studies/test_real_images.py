"""`cifar10_small` on the real CIFAR-10 images, launched as its users launch it, with fewer images and epochs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.studies.conftest import CIFAR, FILES, skip_without_data

pytestmark = pytest.mark.slow
(CIFAR10_SMALL,) = [file for file in FILES if file.stem == "cifar10_small"]
_SHORTER = {"train_size = 12_500": "train_size = 4_000", "epochs = 12": "epochs = 6"}


def ana_search(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from ana_search.cli import main; main()", *arguments],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_two_trials_learn(tmp_path: Path) -> None:
    skip_without_data(CIFAR10_SMALL)
    text = CIFAR10_SMALL.read_text(encoding="utf-8")
    for given, shorter in _SHORTER.items():
        assert given in text
        text = text.replace(given, shorter)
    (tmp_path / "cifar10_small.toml").write_text(text, encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cifar10-jpeg").symlink_to(CIFAR, target_is_directory=True)

    done = ana_search("launch", "cifar10_small.toml", "--trials", "2", "--workers", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    best = json.loads(ana_search("best", "cifar10_small.toml", "--top", "2", "--format", "json", cwd=tmp_path).stdout)
    assert len(best) == 2
    assert all(trial["value"] > 0.15 for trial in best)  # chance is 0.1 with a standard deviation of about 0.01
