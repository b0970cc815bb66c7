"""Ray's own processes end, or its folder has a long name: the launch says so, soon, and can be gone on with."""

import os
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from ana_search.dispatch.ray_folder import short_folder
from ana_search.errors import ResourceError
from tests.runner.commands import Command, run, running, wait_until
from tests.runner.studies import check_sound, trials_of, write_study


def process_named(command: Command, name: str) -> psutil.Process:
    (found,) = [one for one in command.tree() if one.name() == name]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("name", "word"), [("gcs_server", "control process"), ("raylet", "node process")])
def test_a_launch_outlives_ray_only_to_say_so(name: str, word: str, tmp_path: Path) -> None:
    write_study(tmp_path, "ended", data="train_size = 600", training="epochs = 60", space='noise = ["uniform"]')
    with running(tmp_path, "launch", "ended.toml", "--workers", "1") as command:
        wait_until(lambda: (tmp_path / "runs/ended/trials/0/checkpoint.pt").exists(), "a checkpoint", 120)
        began = time.monotonic()
        process_named(command, name).kill()
        assert command.wait(45) == 1, command.output()
        assert time.monotonic() - began < 40
        assert f"Ray's {word}" in command.output()
        assert "the same command goes on" in command.output()
    (trial,) = trials_of(tmp_path / "runs", "ended")
    assert trial.user_attrs["retry"] == "interrupted"
    again = run(tmp_path, "launch", "ended.toml", "--workers", "1")
    assert again.returncode == 0, again.stderr
    check_sound(trials_of(tmp_path / "runs", "ended"), 1)


@pytest.mark.slow
def test_a_temporary_folder_with_a_long_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("x" * 80)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    write_study(tmp_path, "long", space='noise = ["uniform"]')
    done = run(tmp_path, "launch", "long.toml", "--workers", "1")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["x" * 80, "ü" * 30, "is not there", "a file"])
def test_ray_gets_a_short_folder_of_its_own(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / name
    if name == "a file":
        folder.touch()
    elif name != "is not there":
        folder.mkdir()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(folder))
    with short_folder() as short:
        assert short is not None
        sockets = f"{short}/session_2026-11-27_11-05-55_123456_1234567/sockets/plasma_store"
        assert len(os.fsencode(sockets)) <= 107
        parent = Path(short).parent
        assert parent.is_dir()
    assert not parent.exists()


def test_ray_keeps_its_usual_folder_where_that_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        with short_folder() as short:
            assert short is None


def test_without_any_folder_the_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / ("x" * 80)))
    monkeypatch.setattr("ana_search.dispatch.ray_folder._SHORT", ())
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with pytest.raises(ResourceError, match="RAY_TMPDIR"), short_folder():
        pass
