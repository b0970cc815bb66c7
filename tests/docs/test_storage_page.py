"""What docs/storage.md says of moving, queueing and reading a study, done with one that was really run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ana_search import load_results
from tests.runner.studies import write_study

PAGE = (Path(__file__).parents[2] / "docs" / "storage.md").read_text(encoding="utf-8")
TRIALS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which a study named mine has run."""
    folder = tmp_path_factory.mktemp("page")
    space = 'noise = ["uniform", "normal"]\nlearning_rate = {low = 1e-3, high = 1e-2, log = true}'
    write_study(folder, "mine", study=f'sampler = "random"\ntrials = {TRIALS}', training="epochs = 1", space=space)
    ana_search("launch", "mine.toml", cwd=folder)
    (folder / "mine.toml").unlink()  # from here on the study is known by its name alone
    return folder


def ana_search(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "ana_search", *words],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_a_queued_trial_is_run_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    queue, read = blocks("python")
    exec(compile(queue, "storage.md", "exec"), {})
    ana_search("launch", "mine", "--trials", str(TRIALS + 1), cwd=folder)
    frame = load_results("mine")
    assert frame["state"].tolist() == ["COMPLETE"] * (TRIALS + 1)
    assert frame.iloc[-1][["noise", "learning_rate"]].tolist() == ["normal", 0.002]
    names: dict[str, Any] = {}
    exec(compile(read, "storage.md", "exec"), names)
    assert names["epoch"]["accuracy"] == names["best"]["value"]


def test_a_moved_folder_is_the_study(folder: Path) -> None:
    (block,) = blocks("sh")
    before = load_results("mine", runs=folder / "runs")
    for line in block.replace("quickstart", "mine").splitlines():
        words = shlex.split(line)
        if words[0] == "ana-search":
            ana_search(*words[1:], cwd=folder)
        else:
            subprocess.run(words, cwd=folder, check=True)
    after = load_results("mine", runs=folder / "archive")
    assert after["value"].tolist()[:TRIALS] == before["value"].tolist()[:TRIALS]
    assert not (folder / "runs" / "mine").exists()
