"""A place where messages go that is lost costs the messages, and nothing else: not a trial, not the exit code."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from ana_search.cli.progress import ProgressDisplay
from ana_search.cli.streams import Lossy, say
from tests.runner.commands import environment, is_worker, wait_until, words_of
from tests.runner.studies import check_sound, complete, trials_of, write_study


class Broken(io.StringIO):
    """A stream that takes nothing."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def write(self, text: str) -> int:
        raise self._error

    def flush(self) -> None:
        raise self._error


ERRORS = [
    BrokenPipeError(32, "Broken pipe"),
    OSError(28, "No space left"),
    OSError(5, "I/O error"),
    ValueError("closed"),
]


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_a_display_goes_on_without_its_stream(error: Exception) -> None:
    with ProgressDisplay("lost", stream=Broken(error), interval=0.0) as display:
        display.begin(finished=0, requested=1)
        display.trial_started("a", 0, 2)
        display.message("a failure")
        display.trial_ended("a", 0, "COMPLETE", finished=1)
    say("a line", Broken(error))


def test_what_is_written_later_is_tried_again() -> None:
    """A disk may have room by then."""
    stream = io.StringIO()
    lossy = Lossy(stream)
    lossy.write("one ")
    lossy._stream = Broken(OSError(28, "No space left"))
    lossy.write("two ")
    lossy._stream = stream
    lossy.write("three")
    assert stream.getvalue() == "one three"
    assert not Lossy(None).isatty()
    Lossy(None).write("nowhere")


def start(folder: Path, place: str) -> tuple["subprocess.Popen[bytes]", IO[Any] | None]:
    """Start a launch whose messages go to a place that is lost; return it with the end of a pipe to be closed."""
    words = words_of("launch", "output.toml", "--workers", "1")
    options: dict[str, Any] = {"cwd": folder, "env": environment(), "start_new_session": True}
    if place == "closed":
        script = " ".join(f"'{word}'" for word in words)
        return subprocess.Popen(["sh", "-c", f"exec {script} >&- 2>&-"], **options), None
    if place == "full":
        with open("/dev/full", "wb") as full:
            return subprocess.Popen(words, stdout=full, stderr=full, **options), None
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    return process, process.stdout


@pytest.mark.slow
@pytest.mark.parametrize("place", ["closed", "full", "pipe"])
def test_a_worker_dies_after_the_output_is_lost(place: str, tmp_path: Path) -> None:
    write_study(tmp_path, "output", data="train_size = 600", training="epochs = 30")
    launch, pipe = start(tmp_path, place)
    try:
        wait_until(lambda: (tmp_path / "runs/output/trials/0/checkpoint.pt").exists(), "the first checkpoint", 120)
        if pipe is not None:
            pipe.close()
        (worker,) = [one for one in psutil.Process(launch.pid).children(recursive=True) if is_worker(one)]
        worker.kill()
        assert launch.wait(240) == 0
    finally:
        if launch.poll() is None:
            launch.kill()
            launch.wait()
    trials = trials_of(tmp_path / "runs", "output")
    check_sound(trials, 4)
    assert len(complete(trials)) == 4
    assert len(trials) == 5, "no worker died"


def test_a_database_never_gets_the_descriptor_of_a_closed_stream(tmp_path: Path) -> None:
    code = """
import os, sys
from ana_search.cli.streams import open_streams
open_streams()
handle = os.open("file", os.O_CREAT | os.O_WRONLY)
assert handle > 2, handle
print("to nobody"); print("to nobody", file=sys.stderr)
"""
    script = f'exec "{sys.executable}" -c "$CODE" <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=os.environ | {"CODE": code}, timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "file").read_bytes() == b""


def test_data_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Of any command but `launch`, whose result is in the storage."""
    with open("/dev/full", "wb") as full:
        words = words_of("studies")
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=120)
    assert done.returncode == 1, done.stderr
    assert b"No space left" in done.stderr
