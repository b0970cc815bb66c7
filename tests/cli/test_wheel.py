"""The wheel, installed into an empty environment and used in an empty folder."""

import json
import os
import re
import signal
import site
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ``bin`` folder of an environment that has the wheel and, by a path, this one's other packages."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True, timeout=300)
    (wheel,) = folder.glob("ana_search-*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True, timeout=300)
    (packages,) = environment.glob("lib/python3*/site-packages")
    # A path line adds the folder but runs no .pth file in it: an editable install there stays invisible.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return environment / "bin"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


def command(installed: Path, *words: str) -> list[str]:
    return [str(installed / "ana-search"), *words]


def environment() -> dict[str, str]:
    dropped = {"PYTHONPATH", "ANA_SEARCH_RUNS", "ANA_SEARCH_STORAGE"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}


def run(installed: Path, folder: Path, *words: str) -> str:
    done = subprocess.run(
        command(installed, *words), cwd=folder, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_installed_package_is_the_wheels(installed, folder):
    words = [
        str(installed / "python"),
        "-c",
        "import ana_search, analysis; print(ana_search.__file__, analysis.__file__)",
    ]
    printed = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, check=True).stdout
    assert str(ROOT) not in printed
    assert printed.count(str(installed.parent)) == 2


def test_launch_analyse_export_and_dashboard_work_in_an_empty_folder(installed, folder):
    run(installed, folder, "launch", "quickstart", "--trials", "2", "--workers", "1")
    status = json.loads(run(installed, folder, "status", "quickstart", "--format", "json"))
    assert status["finished"] == 2
    assert run(installed, folder, "best", "quickstart", "--top", "1").strip()

    run(installed, folder, "analyse", "quickstart", "--out", "results")
    assert (folder / "results" / "report.html").stat().st_size > 10_000
    assert json.loads((folder / "results" / "verdict.json").read_text())["verdict"]

    run(installed, folder, "export", "quickstart", "--top", "1", "--out", "models")
    (model,) = json.loads((folder / "models" / "manifest.json").read_text())["models"]
    assert (folder / "models" / model["file"]).is_file()

    serving = subprocess.Popen(
        command(installed, "dashboard", "quickstart"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stdout is not None
        address = re.search(r"http://\S+", serving.stdout.readline())
        assert address is not None
        base, number = re.fullmatch(r"(http://[^/]+)/dashboard/studies/(\d+)", address[0]).groups()
        with urllib.request.urlopen(f"{base}/api/studies/{number}", timeout=30) as answer:
            detail = json.load(answer)
        assert [trial["state"] for trial in detail["trials"]][:2] == ["Complete", "Complete"]
        assert "Question" in detail["note"]["body"]
        serving.send_signal(signal.SIGINT)
        assert serving.wait(timeout=20) == 0
    finally:
        serving.kill()
        serving.wait()
        serving.stdout.close()
