"""Every command that a message, a report or a note prints is typed here as it was printed, and works.

The study is known by its name alone, in a folder of runs with a blank in its name: commands must find it again.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna_dashboard import get_note

from ana_search import load_study_file
from ana_search.cli.main import main
from ana_search.dashboard.serve import refresh
from ana_search.errors import StudyNotFoundError
from ana_search.storage import locate
from tests.cli.test_analyse import STUDY
from tests.dashboard.stored import stored_study

RUNS = "my runs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with two studies that have no file: one that is finished, one that is not."""
    folder = tmp_path_factory.mktemp("printed")
    for name, trials in (("tiny", None), ("half", 7)):
        seeds = "seeds = 4" if trials is None else "seeds = 2"  # enough for a verdict, or not
        (folder / f"{name}.toml").write_text(STUDY.replace('"tiny"', f'"{name}"').replace("seeds = 2", seeds))
        stored_study(load_study_file(folder / f"{name}.toml"), folder / RUNS, trials=trials)
        (folder / f"{name}.toml").unlink()
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def typed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Type a printed command in this process; return what it said. Its exit code must be 0."""
    words = shlex.split(command)
    assert words[0] == "ana-search"
    with pytest.raises(SystemExit) as ended:
        main(words[1:])
    out, err = capsys.readouterr()
    assert ended.value.code == 0, f"{command}\n{out}\n{err}"
    return out + err


def served(command: str) -> str:
    """Type `dashboard` in a process of its own, wait for its address, and press Ctrl-C; return what it said."""
    words = [sys.executable, "-u", "-m", *shlex.split(command.replace("ana-search", "ana_search", 1))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "http://" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, said
    return said


def shown(text: str) -> list[str]:
    """Return the commands in a text: to the end of the line, or between backquotes."""
    found = re.findall(r"`(ana-search [^`\n]+)`|(?:^|: )(ana-search [^`\n]+)$", text, re.MULTILINE)
    return [one or other for one, other in found]


def test_a_name_alone_is_enough_for_every_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = load_study_file("tiny", runs=RUNS)
    assert (spec.study.name, spec.data.train_size) == ("tiny", 128)
    for command in ("check", "launch", "status", "best"):
        words = f"ana-search {command} tiny --runs '{RUNS}'" + (" --no-timing" if command == "check" else "")
        assert "tiny" in typed(words, capsys) or command == "best"


def test_nothing_of_that_name(folder: Path) -> None:
    with pytest.raises(StudyNotFoundError, match=r"no file 'nothing'.*shipped study.*no study 'nothing' in sqlite"):
        load_study_file("nothing", runs=RUNS)
    with pytest.raises(StudyNotFoundError, match=r"'tiny.toml' does not exist.*'tiny' is in my runs/"):
        locate("tiny.toml", runs=RUNS)
    assert not (folder / RUNS / "nothing").exists()


def test_what_analyse_prints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = typed(f"ana-search analyse tiny --out out --runs '{RUNS}' --format json", capsys)
    answer = json.loads(said)
    assert answer["next"].startswith("ana-search dashboard tiny --runs 'my runs'")
    assert "/dashboard/studies/" in served(answer["next"])
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    commands = [
        line.replace("&#39;", "'") for line in re.findall(r"(ana-search (?:launch|analyse) .*?)$", page, re.MULTILINE)
    ]
    assert len(commands) == 2
    for command in commands:
        typed(command.replace("</code></pre>", ""), capsys)


def test_what_the_note_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = locate("tiny", runs=RUNS)
    study = place.open()
    refresh(place, study)
    commands = shown(get_note(study))
    assert [command.split()[1] for command in commands] == ["analyse", "export"]
    typed(commands[0], capsys)
    words = shlex.split(commands[1])  # stored by a test, the study has no weights: it is found, and so is its trial
    with pytest.raises(SystemExit) as ended:
        main(words[1:])
    assert ended.value.code == 2
    assert "the weights of trial" in capsys.readouterr().err


@pytest.mark.slow
def test_an_open_verdict_is_gone_on_with_as_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Typed are the next command, the opening line of the study file that it wrote, and what an interruption says."""
    said = typed(f"ana-search analyse half --out out --runs '{RUNS}' --format json", capsys)
    following = json.loads(said)["next"]
    assert following.startswith("ana-search launch half --confirm-factors --runs 'my runs'")
    said = typed(f"ana-search analyse half --out out --next next.toml --runs '{RUNS}' --format json", capsys)
    opening = (folder / "next.toml").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    assert opening == json.loads(said)["next"]
    stopped = subprocess.run(
        [sys.executable, "-m", "ana_search", *shlex.split(opening)[1:], "--timeout", "0.01"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert stopped.returncode == 130, stopped.stderr
    (again,) = shown(stopped.stderr)
    assert again == opening
    assert "trials finished" in typed(again, capsys)
