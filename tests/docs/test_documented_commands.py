"""Every command that README, docs and study files show, run as it stands in one folder.

Placeholders (STUDY, DIR) are not commands; `make` targets are run by whoever runs this suite.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ana_search.ana import quantise
from ana_search.cli.main import COMMANDS
from tests.docs.own_files import write_own_files

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "studies" / "README.md"]
_CODE = re.compile(r"`(ana-search [^`\n]+)`|^(?: {4}|>? ?\$? ?)(ana-search [^\n]+)$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]+\b|\.\.\.|[<\[|]|ray://|://")
SHORT = {"quickstart"}  # studies that are run to their end; others are started and stopped


def commands() -> list[str]:
    """Return every command shown, once, in the order of the pages."""
    shown: list[str] = []
    for page in PAGES:
        for match in _CODE.finditer(page.read_text(encoding="utf-8")):
            text = (match[1] or match[2]).split("  #")[0].strip()
            alone = len(text.split()) == 2 and text != "ana-search studies"  # a mention, not a command
            if not alone and not _PLACEHOLDER.search(text):
                shown.append(text)
    return sorted(set(shown), key=lambda text: (_stage(text), shown.index(text)))


def _stage(text: str) -> int:
    """Return when a command can run: first what launches, then what reads."""
    word = text.split()[1]
    return {"launch": 0, "confirm": 1, "export": 2}.get(word, 3) + 3 * ("--check" in text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a copy of the studies and the quickstart launched in it, shortened."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "studies", folder / "studies")
    for file in (folder / "studies").glob("*.toml"):
        text = re.sub(r"^epochs = \d+", "epochs = 2", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        file.write_text(text, encoding="utf-8")
    if (ROOT / "data").is_dir():
        (folder / "data").symlink_to(ROOT / "data")
    write_own_files(folder)
    return folder


def run(text: str, folder: Path, timeout: float = 400.0) -> subprocess.CompletedProcess[str]:
    words = text.split()[1:]
    return subprocess.run(
        [sys.executable, "-c", "from ana_search.cli import main; main()", *words],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_every_command_is_documented() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"`ana-search {command.NAME}" in readme, command.NAME


def test_documented_options_exist() -> None:
    """Every `--option` that a page shows with a command is one of that command's."""
    known: dict[str, str] = {}
    for page in PAGES:
        for match in re.finditer(r"ana-search (\w+)[^`\n]*", page.read_text(encoding="utf-8")):
            name = match[1]
            if name not in {command.NAME for command in COMMANDS}:
                continue
            if name not in known:
                known[name] = run(f"ana-search {name} --help", ROOT).stdout
            for option in re.findall(r"--[a-z][a-z-]+", match[0]):
                assert option in known[name] or option in ("--help", "--debug"), f"{page.name}: {match[0]}"


def test_readme_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of the README, with fewer epochs."""
    (tmp_path / "studies").mkdir()
    study = (ROOT / "studies" / "quickstart.toml").read_text(encoding="utf-8").replace("epochs = 20", "epochs = 1")
    (tmp_path / "studies" / "quickstart.toml").write_text(study, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    names: dict[str, Any] = {"__name__": "readme"}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    own = quantise(names["my_network"]((3, 8, 8), 10))
    assert own(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


def test_readme_study_file_is_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    mine, _photos = [text for text in blocks if "[study]" in text]  # tests/cli/test_own_files.py types the other
    (tmp_path / "mine.toml").write_text(mine, encoding="utf-8")
    done = run("ana-search check mine.toml --no-timing", tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("text", commands())
def test_command_runs(text: str, folder: Path) -> None:
    words = text.split()
    study = next((Path(word).stem for word in words[2:] if not word.startswith("-")), "")
    (shipped,) = [folder / "studies" / f"{study}.toml"] if study else [None]
    if shipped is not None and shipped.is_file() and words[1] in ("launch", "check"):
        text = text.replace(words[2], f"studies/{study}.toml", 1)
    if words[1] == "dashboard":
        serve(text, folder)
        return
    if words[1] == "launch" and study not in SHORT:
        text += " --timeout 20"
    if "--address" in words or "--watch" in words:
        pytest.skip("needs a cluster, or runs for ever; both have tests of their own")
    done = run(text, folder)
    allowed = {0, 130} if words[1] == "launch" else {0}
    assert done.returncode in allowed, f"{text}\n{done.stdout}\n{done.stderr}"


def serve(text: str, folder: Path) -> None:
    """Start the dashboard, wait for its address, and end it as a user would."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", "from ana_search.cli import main; main()", *text.split()[1:]],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "http://127.0.0.1" in line:
                    break
            assert "http://127.0.0.1" in "".join(lines), "".join(lines)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) in (0, 130)
        finally:
            process.kill()
