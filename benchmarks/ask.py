"""How long does it take to ask for a trial with 60 parameters?

    python benchmarks/ask.py                # after 10, 100, 1,000 and 3,000 finished trials, 64 running

For each sampler: the CPU time from making the sampler (the driver makes one for every trial, from the study's seed and
the trial's number) to the last of the 60 parameters, in memory, which is where the driver draws. Median of five
trials after one to warm up.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import optuna
from optuna.trial import TrialState, create_trial

from ana_search.space import make_sampler, suggest
from ana_search.study_file import StudySpec, load_study_file

SPACE = """\
[data]
name = "cifar10"
[network]
name = "vgg8"
[training]
epochs = 10
[space]
noise = { choices = ["uniform", "triangular", "normal", "logistic"], scope = "layer" }
strategy = { choices = ["expectation", "mode", "random"], scope = "layer" }
mean = { choices = ["static", "dynamic"], scope = "layer" }
spread = { low = 0.1, high = 1.0, scope = "layer" }
offset = { low = -0.3, high = 0.3, scope = "layer" }
activation_offset = { low = -0.3, high = 0.3, scope = "layer" }
alpha = { low = 0.5, high = 4.0, log = true, scope = "layer" }
weight_bits = { choices = ["ternary", 2, 3, 4, 8], scope = "layer" }
interval = ["overlapped", "same_start", "same_end", "partition"]
learning_rate = { low = 1e-4, high = 1e-2, log = true }
weight_decay = { low = 1e-6, high = 1e-2, log = true }
batch_size = { low = 32, high = 256, step = 32 }
"""
CONDITIONAL = 'decay = ["power", "cosine"]\n'
PARAMETERS = 60
RUNNING = 64
REPEATS = 5
KINDS = ("random", "qmc", "nsga2", "tpe", "tpe-conditional")


def load_spec(sampler: str, conditional: bool) -> StudySpec:
    space = SPACE.replace("interval =", CONDITIONAL + "interval =") if conditional else SPACE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ask.toml"
        path.write_text(f'[study]\nname = "ask"\nsampler = "{sampler}"\n{space}')
        return load_study_file(path)


def draw(spec: StudySpec, count: int) -> list[optuna.trial.FrozenTrial]:
    """Return ``count`` trials with parameters drawn at random."""
    source = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(count):
        suggest(source.ask(), spec)
    return source.get_trials(deepcopy=False)


def fill(study: optuna.Study, drawn: list[optuna.trial.FrozenTrial], finished: int) -> None:
    """Add ``finished`` trials with made-up values, and the running ones."""
    trials = []
    for number, trial in enumerate(drawn[: finished + RUNNING]):
        state = TrialState.COMPLETE if number < finished else TrialState.RUNNING
        value = (number * 0.618) % 1 if number < finished else None
        trials.append(create_trial(state=state, value=value, params=trial.params, distributions=trial.distributions))
    study.add_trials(trials)


def time_ask(study: optuna.Study, spec: StudySpec) -> float:
    """Return the median CPU seconds of asking for a trial."""
    times = []
    for _ in range(REPEATS + 1):
        began = time.process_time()
        study.sampler = make_sampler(spec, len(study.get_trials(deepcopy=False)))
        params = suggest(study.ask(), spec)
        times.append(time.process_time() - began)
        assert len(params) >= PARAMETERS - 7  # a shape without alpha has 7 fewer
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finished", type=int, nargs="+", default=[10, 100, 1000, 3000])
    parser.add_argument("--samplers", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print("| sampler | " + " | ".join(f"{count:,} finished" for count in options.finished) + " |")
    print("|---|" + "---|" * len(options.finished))
    seconds: dict[str, dict[int, float]] = {}
    drawn: dict[bool, list[optuna.trial.FrozenTrial]] = {}
    for kind in options.samplers:
        sampler, _, suffix = kind.partition("-")
        conditional = bool(suffix)
        name = f"{sampler}, conditional (group)" if conditional else sampler
        spec = load_spec(sampler, conditional)
        if conditional not in drawn:
            drawn[conditional] = draw(spec, max(options.finished) + RUNNING)
        seconds[name] = {}
        for finished in options.finished:
            study = optuna.create_study(direction="maximize")
            fill(study, drawn[conditional], finished)
            seconds[name][finished] = time_ask(study, spec)
        cells = " | ".join(f"{1000 * value:.0f} ms" for value in seconds[name].values())
        print(f"| {name} | {cells} |", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(seconds, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
