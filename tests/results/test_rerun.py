"""A trial trained again gives its value, whatever the environment says about threads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from ana_search.rerun import OTHER_MACHINE, rerun_trial
from ana_search.training import Machine

STUDY = """\
[study]
name = "again"
sampler = "random"
trials = {trials}
[data]
name = "digits"
[network]
name = "digits_cnn"
width = 8
[training]
epochs = 1
[space]
noise = ["uniform", "normal"]
strategy = ["expectation", "random"]
learning_rate = {{ low = 1e-3, high = 1e-2, log = true }}
"""
RERUN = """\
import sys
from ana_search.rerun import rerun_trial
for number in range(int(sys.argv[1])):
    again = rerun_trial("again", number)
    print(int(again.equal), again.tolerance, again.threads)
"""


def _python(folder: Path, threads: str | None, *words: str) -> str:
    env = {key: value for key, value in os.environ.items() if key not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    env |= {} if threads is None else {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _launched(folder: Path, trials: int, threads: str | None) -> Path:
    (folder / "again.toml").write_text(STUDY.format(trials=trials))
    _python(folder, threads, "-m", "ana_search", "launch", "again.toml")
    return folder


def _check(folder: Path, trials: int, threads: str | None) -> None:
    lines = _python(folder, threads, "-c", RERUN, str(trials)).split("\n")[:-1]
    assert lines == ["1 0.0 1"] * trials


def test_threads_of_the_environment_change_nothing(tmp_path: Path) -> None:
    folder = _launched(tmp_path, 2, "4")
    _check(folder, 2, None)


@pytest.mark.slow
def test_twenty_of_twenty_under_every_number_of_threads(tmp_path: Path) -> None:
    folder = _launched(tmp_path, 20, None)
    for threads in (None, "1", "2", "4"):
        _check(folder, 20, threads)


def test_another_machine_is_said_and_compared_with_a_tolerance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ana_search.cli import main

    folder = _launched(tmp_path, 1, "1")
    monkeypatch.chdir(folder)
    stored = optuna.load_study(study_name="again", storage=f"sqlite:///{folder}/runs/again/study.db")
    record = stored.trials[0]
    assert record.user_attrs["threads"] == 1
    stored._storage.create_new_trial(stored._study_id, template_trial=_elsewhere(record, 0.02))
    stored._storage.create_new_trial(stored._study_id, template_trial=_elsewhere(record, 0.2))
    near, far = rerun_trial("again", 1), rerun_trial("again", 2)
    assert near.equal
    assert not far.equal
    assert near.tolerance == OTHER_MACHINE
    assert near.differences == (f"processor: Zilog Z80 then, {record.user_attrs['processor']} now",)
    with pytest.raises(SystemExit) as ended:
        main(["rerun", "again", "--trial", "2"])
    assert ended.value.code == 1
    assert "Zilog Z80" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["rerun", "again", "--trial", "0", "--format", "json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["differences"] == []


def _elsewhere(record: optuna.trial.FrozenTrial, off: float) -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(
        state=record.state,
        params=record.params,
        distributions=record.distributions,
        user_attrs=record.user_attrs | {"processor": "Zilog Z80"},
        value=record.values[0] - off if record.values[0] > off else record.values[0] + off,
    )


def test_what_was_not_recorded_is_no_difference() -> None:
    here = Machine("cpu", "a processor", 1, "2.14.1")
    assert Machine().differences(here) == []
    assert Machine("cpu", "a processor", 2, "2.14.1").differences(here) == ["threads: 2 then, 1 now"]
    gpu = Machine("NVIDIA H100", "another processor", 2, "2.14.1")
    assert gpu.differences(here) == ["device: NVIDIA H100 then, cpu now"]
