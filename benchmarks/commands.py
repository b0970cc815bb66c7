"""How long do commands take, and how much memory, on a study of many trials?

    python benchmarks/commands.py                         # 2,000 and 20,000 trials: about ten minutes of one core
    python benchmarks/commands.py --trials 5000 --json FILE

A study of 17 parameters is filled with finished trials that were never trained, each with a history of 20 epochs, and
every command that looks at a study is run on it as a process of its own: seconds, and the largest memory that it had.
The best trial has weights, so that it can be exported. No command may grow faster than the trials.
"""

import argparse
import hashlib
import io
import json
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

import optuna
import psutil
import torch
from optuna.trial import TrialState, create_trial

from ana_search.planner import make_plan
from ana_search.space import requested_trials, suggest
from ana_search.storage import RunFolder, open_storage
from ana_search.storage.attributes import HISTORY_HASH, WEIGHTS_HASH
from ana_search.storage.writing import TrialWriter, trial_writer
from ana_search.study_file import StudySpec, load_study_file
from ana_search.training import build

NAME = "many"
STUDY = f"""\
[study]
name = "{NAME}"
sampler = "random"
trials = 1
[data]
name = "digits"
train_size = 200
[network]
name = "digits_cnn"
width = 4
[training]
epochs = 20
[space]
noise = {{choices = ["uniform", "normal", "triangular", "logistic"], scope = "layer"}}
offset = {{low = -0.3, high = 0.3, scope = "layer"}}
interval = ["overlapped", "same_start", "same_end", "partition"]
power_law = ["homogeneous", "progressive"]
learning_rate = {{low = 1e-4, high = 1e-2, log = true}}
batch_size = {{low = 32, high = 256, step = 32}}
weight_decay = {{low = 0.0, high = 0.01}}
"""
COMMANDS = {
    "status": ["status", NAME],
    "best": ["best", NAME],
    "analyse": ["analyse", NAME, "--out", "report"],
    "export": ["export", NAME, "--out", "models"],
}


def fill(folder: Path, trials: int) -> None:
    """Write a study of so many complete trials under ``folder/runs``."""
    path = folder / f"{NAME}.toml"
    path.write_text(STUDY)
    spec = load_study_file(path)
    place = RunFolder(folder / "runs", NAME)
    study = optuna.create_study(
        study_name=NAME, storage=open_storage(f"sqlite:///{place.database}"), direction="maximize"
    )
    study.set_user_attr("spec", spec.to_json())
    study.set_user_attr("requested", max(trials, requested_trials(spec)))
    writer = trial_writer(study._storage, study._study_id)
    source = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    draw = random.Random(0)
    history = json.dumps([epoch(number) for number in range(1, 21)])
    for number in range(trials):
        add(writer, place, spec, source, number, 1.0 if number == 0 else draw.gauss(0.9, 0.02), history)


def epoch(number: int) -> dict[str, object]:
    rest = {"epochs": 20, "loss": 1.0 / number, "train_accuracy": 0.9, "learning_rate": 3e-3, "seconds": 0.2 * number}
    return {"epoch": number, "accuracy": 0.9, "gap": [0.1] * 5} | rest


def add(
    writer: TrialWriter,
    place: RunFolder,
    spec: StudySpec,
    source: optuna.Study,
    number: int,
    value: float,
    history: str,
) -> None:
    trial = source.ask()
    params = suggest(trial, spec)
    source.tell(trial, state=TrialState.FAIL)
    attributes: dict[str, object] = {"seed": number, "replicate": 0, "plan_hash": f"{number:016x}", "attempt": 1}
    written = create_trial(
        state=TrialState.RUNNING, params=trial.params, distributions=trial.distributions, user_attrs=attributes
    )
    written.datetime_start = datetime.now()
    identity = writer.create(written, number)
    files = place.trial(number)
    files.mkdir(parents=True)
    (files / "history.json").write_text(history)
    after: dict[str, object] = {"epochs": 20, "seconds": 4.2, "worker": "0@here:1", "device": "cpu", "weight_bits": 2.0}
    after[HISTORY_HASH] = hashlib.sha256(history.encode()).hexdigest()
    if number == 0:
        network, _ = build(make_plan(spec, params, number), (1, 8, 8), 10)
        buffer = io.BytesIO()
        torch.save(network.state_dict(), buffer)
        (files / "network.pt").write_bytes(buffer.getvalue())
        after[WEIGHTS_HASH] = hashlib.sha256(buffer.getvalue()).hexdigest()
    writer.finish(identity, TrialState.COMPLETE, [min(value, 1.0)], after)


def measure(folder: Path, words: list[str]) -> tuple[float, float]:
    """Return seconds and megabytes of a command."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "ana_search", *words], cwd=folder, stdout=subprocess.DEVNULL)
    most = 0
    watched = psutil.Process(process.pid)
    stop = threading.Event()

    def watch() -> None:
        nonlocal most
        while not stop.wait(0.05):
            try:
                most = max(most, watched.memory_info().rss)
            except psutil.Error:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - began
    stop.set()
    watcher.join()
    if code:
        sys.exit(f"{' '.join(words)}: exit code {code}")
    return seconds, most / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="*", default=[2_000, 20_000])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    for trials in arguments.trials:
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            fill(folder, trials)
            for name, words in COMMANDS.items():
                seconds, megabytes = measure(folder, words)
                rows.append({"trials": trials, "command": name, "seconds": seconds, "megabytes": megabytes})
                print(f"{trials:7,} {name:10} {seconds:7.1f} s {megabytes:7.0f} MB", flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
