"""The whole way through the command line: a launch, its dashboard beside it, then the report and a model on it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.browser.conftest import Visit

pytestmark = pytest.mark.slow

STUDY = """
[study]
name = "live"
sampler = "grid"
seeds = 2

[data]
name = "digits"
validation = 0.25

[network]
name = "digits_cnn"
width = 8

[training]
epochs = 20

[space]
noise = ["uniform", "normal"]
interval = ["overlapped", "partition"]
"""
TRIALS = 8


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from ana_search.cli import main; main()", *words]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}


@contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command beside the test; it is interrupted at the end if it still runs."""
    process = subprocess.Popen(
        command(*words),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=120)
        finally:
            process.kill()
            process.communicate()


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(command(*words), cwd=folder, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\S+", process.stdout.readline())
    assert found is not None
    return found[0]


def test_a_study_from_its_launch_to_its_model(tmp_path: Path, visit: Visit):
    (tmp_path / "live.toml").write_text(STUDY)
    with running(tmp_path, "launch", "live.toml", "--workers", "1") as launch:
        while '"COMPLETE": 0' in (state := status(tmp_path)) or not state:
            assert launch.poll() is None
        with running(tmp_path, "dashboard", "live.toml") as dashboard:
            page = address(dashboard)
            visit.open(f"{page}/trials", "Trial 0", "Running")
            visit.shoot("live-running")
            visit.page.get_by_text(f"{TRIALS} Trials").first.wait_for(timeout=240_000)
            visit.page.goto("about:blank")  # the page would go on asking a server that ends
        assert launch.wait(timeout=240) == 0
    run(tmp_path, "export", "live.toml", "--top", "1", "--out", "models")
    run(tmp_path, "analyse", "live.toml", "--out", "results")
    with running(tmp_path, "dashboard", "live.toml") as dashboard:
        page = address(dashboard)
        visit.open(f"{page}/note", "Answer so far", f"{TRIALS} finished of {TRIALS}")
        visit.shoot("live-note")
        (model,) = json.loads((tmp_path / "models" / "manifest.json").read_text())["models"]
        visit.open(page, "Study Artifacts", model["file"], "report.html", "learning_curves.csv")
        visit.shoot("live-study", whole=True)
        downloaded = {}
        for link in visit.page.locator("a[href^='/artifacts/']").all():
            with visit.page.expect_download() as downloading:
                link.click()
            downloaded[downloading.value.suggested_filename] = downloading.value.path().read_bytes()
        assert downloaded[model["file"]] == (tmp_path / "models" / model["file"]).read_bytes()
        assert downloaded["report.html"] == (tmp_path / "results" / "report.html").read_bytes()
        visit.open(f"{page}/trials?numbers={model['trial']}", "interval", "noise", "Best so far")
        visit.shoot("live-best-trial")
    assert visit.outside == []
    assert visit.problems == []


def status(folder: Path) -> str:
    """Return what `status` prints, or nothing while there is no study yet."""
    words = command("status", "live.toml", "--format", "json")
    return subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300).stdout
