"""Every command as a user meets it first: its help, its mistakes, its exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ana_search.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]


def ana_search(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from ana_search.cli import main; main()", *arguments],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "120"} | env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.NAME)
def test_help_ends_in_an_example(command, tmp_path: Path) -> None:
    done = ana_search(command.NAME, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert command.run.__doc__.split(".")[0].split(";")[0] in " ".join(done.stdout.split())
    assert " ".join(done.stdout.split()).endswith(f"Example: {command.EXAMPLE}")


def test_unknown_command_is_a_wrong_request(tmp_path: Path) -> None:
    done = ana_search("lunch", cwd=tmp_path)
    assert done.returncode == 2
    assert "lunch" in done.stderr


def test_unknown_study_is_a_wrong_request(tmp_path: Path) -> None:
    for command in ("status", "best"):
        done = ana_search(command, "nothing-of-this-name", cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        assert done.stderr.startswith("error: no study 'nothing-of-this-name'")
        assert "ana-search launch" in done.stderr  # what to do about it
        assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [("analyse", "--out", "out"), ("export", "--out", "out"), ("rerun", "--trial", "0"), ("dashboard",)]
)
def test_unknown_study_is_a_wrong_request_of_slow_commands_too(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: each of these commands would load torch again."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([words[0], "nothing-of-this-name", *words[1:]])
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "nothing-of-this-name" in err
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path: Path) -> None:
    for words in (("--debug", "status", "nothing"), ("status", "nothing", "--debug")):
        done = ana_search(*words, cwd=tmp_path)
        assert done.returncode == 2
        assert "Traceback (most recent call last)" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("error: no study 'nothing'")


def completions(words: str, cwd: Path) -> list[str]:
    """Return what bash would offer for the last of these words, as it asks the installed program."""
    asked = {"_ANA_SEARCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    program = Path(sys.executable).with_name("ana-search")
    done = subprocess.run([program], cwd=cwd, env=os.environ | asked, capture_output=True, text=True, timeout=300)
    return done.stdout.split()


def test_the_shell_completes_commands_options_and_studies(tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine-of-last-week").mkdir(parents=True)
    (tmp_path / "mine.toml").touch()
    assert completions("ana-search la", tmp_path) == ["launch"]
    assert completions("ana-search launch --wor", tmp_path) == ["--workers"]
    assert completions("ana-search launch q", tmp_path) == ["quickstart"]
    assert completions("ana-search launch mine", tmp_path) == ["mine-of-last-week", "mine.toml"]
    assert completions("ana-search status mi", tmp_path) == ["mine-of-last-week", "mixed_precision", "mine.toml"]
    assert "--show-completion" in ana_search("--help", cwd=tmp_path).stdout


FIVE_MISTAKES = """
[study]
name = "five"
sampler = "random"
trials = 4
[data]
name = "digitz"
[network]
name = "digits_cnn"
[training]
epochs = -3
momentums = 0.9
[space]
noise = ["uniform", "gaussian"]
learning_rate = {low = 1e-2, high = 1e-3, log = true}
"""


@pytest.mark.parametrize("command", ["check", "launch"])
def test_five_mistakes_in_one_message(command: str, tmp_path: Path) -> None:
    (tmp_path / "five.toml").write_text(FIVE_MISTAKES)
    done = ana_search(command, "five.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    for key, allowed in (
        ("data.name", "digits"),
        ("training.epochs", "1"),
        ("training.momentums", "learning_rate"),
        ("space.noise", "triangular"),
        ("space.learning_rate", "low"),
    ):
        line = next((line for line in done.stderr.splitlines() if key in line), "")
        assert allowed in line or allowed in done.stderr.split(key, 1)[-1].split("\n  ", 2)[0], done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["five.toml"]


def test_studies_lists_the_shipped_files(tmp_path: Path) -> None:
    done = ana_search("studies", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {row["study"] for row in json.loads(done.stdout)}
    assert {path.stem for path in (ROOT / "studies").glob("*.toml")} == names


def test_check_writes_every_cell(tmp_path: Path) -> None:
    done = ana_search("check", "quickstart", "--no-timing", "--format", "json", "--plans", "p.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cells"] == 32
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert len(lines) == 32
    assert {"params", "layers", "epochs"} <= set(lines[0])
    assert {"noise", "strategy", "mean", "spread", "start", "end", "mean_alpha", "spread_alpha"} <= set(
        lines[0]["layers"][0]
    )
