"""The wheel, installed into an empty environment and used in an empty folder."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ``bin`` folder of an empty environment into which the wheel was installed.

    What the wheel requires is gigabytes, so that installing it again would take minutes: instead the environment
    gets links to the files of exactly the distributions that its metadata asks for (and those that they ask for,
    without extras). A module that only this checkout or only the development tools bring is missing, as it would
    be for a user.
    """
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True, timeout=300)
    (wheel,) = folder.glob("ana_search-*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True, timeout=300)
    (packages,) = environment.glob("lib/python3*/site-packages")
    (installed,) = metadata.distributions(name="ana-search", path=[str(packages)])
    for distribution in required_by(installed):
        link_files(distribution, packages)
    return environment / "bin"


def required_by(distribution: metadata.Distribution) -> list[metadata.Distribution]:
    """Return every distribution that this one needs, directly or not, as installed beside the tests."""
    found: dict[str, metadata.Distribution] = {}
    asked = [(distribution, "")]
    seen = set()
    while asked:
        one, extra = asked.pop()
        for requirement in map(Requirement, one.requires or []):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            name = canonicalize_name(requirement.name)
            found.setdefault(name, metadata.distribution(requirement.name))
            wanted = [(name, more) for more in {"", *requirement.extras} if (name, more) not in seen]
            seen.update(wanted)
            asked += [(found[name], more) for _, more in wanted]
    return list(found.values())


def link_files(distribution: metadata.Distribution, packages: Path) -> None:
    """Link the files of a distribution into another environment; code is imported from the other path."""
    for file in distribution.files or []:
        if ".." in file.parts or "__pycache__" in file.parts:  # scripts, which have the other interpreter's name
            continue
        target = packages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(distribution.locate_file(file))


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


def test_what_is_for_development_is_not_there(installed, folder):
    """Else the next test would not notice a dependency that the wheel fails to ask for."""
    for module in ("pytest", "hypothesis", "playwright", "pandas_stubs"):
        done = subprocess.run([installed / "python", "-c", f"import {module}"], cwd=folder, capture_output=True)
        assert b"ModuleNotFoundError" in done.stderr, module


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
        with urllib.request.urlopen(f"{base}/api/studies/{number}", timeout=120) as answer:
            detail = json.load(answer)
        assert [trial["state"] for trial in detail["trials"]][:2] == ["Complete", "Complete"]
        assert "Question" in detail["note"]["body"]
        serving.send_signal(signal.SIGINT)
        assert serving.wait(timeout=60) == 0
    finally:
        serving.kill()
        serving.wait()
        serving.stdout.close()
