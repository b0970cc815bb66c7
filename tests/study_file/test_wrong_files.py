"""Every wrong study file: exit 2, a message that names the key, no traceback, nothing left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ana_search.cli import main
from ana_search.errors import StorageError, StudyFileError
from ana_search.runner import launch
from ana_search.storage import locate, open_storage
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


def test_a_byte_order_mark_and_other_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "marked.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_study_file(path).study.name == "good"
    assert locate(path).name == "good"


def test_a_pipe_is_no_study_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(StudyFileError, match="is no file"):
        load_study_file(tmp_path / "pipe.toml")


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:", "sqlite:///a\0b", "sqlite+pysqlite:///:memory:"])
def test_launch_refuses_the_same_storages_as_the_study_file(url: str) -> None:
    with pytest.raises(StorageError, match="allowed: "):
        open_storage(url)


def test_launch_says_that_no_cell_is_left(tmp_path: Path) -> None:
    path = _write(tmp_path, next(wrong for wrong in WRONG if wrong.name == "exclude_everything"))
    with pytest.raises(StudyFileError, match="every cell"):
        launch(load_study_file(path), runs=tmp_path / "runs")
    assert list(tmp_path.iterdir()) == [path]


def test_large_files_are_read_in_seconds(tmp_path: Path) -> None:
    """What a study file may hold at most, and mistakes in all of it."""
    began = time.monotonic()
    when = ", ".join(f"key{number} = 1" for number in range(18))
    rules = f"[[space.exclude]]\nwhen = {{ {when} }}\n" * 900
    path = tmp_path / "large.toml"
    path.write_text(GOOD.replace("[resources]", f"{rules}[resources]"))
    with pytest.raises(StudyFileError, match="and 16,151 more"):
        load_study_file(path)
    path.write_text(GOOD.replace("[space]", f"[space]\nepochs = {list(range(1, 1001))}"))
    assert len(load_study_file(path).space.parameters) == 3
    assert time.monotonic() - began < 30
