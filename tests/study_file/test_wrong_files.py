"""Every wrong study file: exit 2, a message that names the key, no traceback, nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ana_search.cli import main
from ana_search.errors import StudyFileError
from ana_search.study_file import load_study_file
from tests.study_file.corpus import GOOD, WRONG, Wrong


def _write(folder: Path, wrong: Wrong) -> Path:
    path = folder / f"{wrong.name}.toml"
    path.write_bytes(wrong.content)
    return path


def _check_message(message: str, wrong: Wrong) -> None:
    for words in wrong.named:
        assert words in message
    assert "Traceback" not in message
    assert len(message) < 30_000
    assert all(len(line) < 1500 for line in message.splitlines())


def test_the_corpus_is_large_and_its_names_differ() -> None:
    assert len(WRONG) >= 60
    assert len({wrong.name for wrong in WRONG}) == len(WRONG)


def test_the_file_that_is_mutated_is_good(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    assert load_study_file(path).study.name == "good"


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_check_refuses(
    wrong: Wrong, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _write(tmp_path, wrong)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["check", str(path)])
    captured = capsys.readouterr()
    assert exit_.value.code == 2
    assert captured.out == ""
    _check_message(captured.err, wrong)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("command", "name"),
    [("check", "binary"), ("check", "deep_arrays"), ("check", "ten_megabytes"), ("launch", "five_mistakes")],
)
def test_the_command_refuses(command: str, name: str, tmp_path: Path) -> None:
    wrong = next(one for one in WRONG if one.name == name)
    path = _write(tmp_path, wrong)
    result = subprocess.run(
        [sys.executable, "-c", "from ana_search.cli import main; main()", command, str(path)],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 2
    assert result.stdout == ""
    _check_message(result.stderr, wrong)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("what", ["missing.toml", "folder"])
def test_no_file(what: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StudyFileError, match=r"does not exist|is a folder"):
        load_study_file(tmp_path / what)


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "secret.toml"
    path.write_text(GOOD.replace("seeds = 1", 'storage = "postgres//user:hunter2@host/db"'))
    with pytest.raises(StudyFileError) as error:
        load_study_file(path)
    assert "study.storage" in str(error.value)
    assert "hunter2" not in str(error.value)
