"""Does a compressed plan say more about the final accuracy than the first part of the learning curve?

    python benchmarks/fidelity.py                      # trains what the table lacks (11 s each), then reports
    python benchmarks/fidelity.py --report-only        # reports from the table
    python benchmarks/fidelity.py --table mine.csv     # a table of one's own; interrupted, it goes on where it was

Every configuration is drawn at random from a wide space on scikit-learn's digits and trained three times: the
whole plan in 20 epochs, with its learning curve, and the whole plan compressed into 7 and into 2 epochs. The
table then answers two questions without training again:

1. How well do (a) the compressed plan and (b) the raw curve, at a third of the epochs, rank the final accuracies?
   Spearman's correlation, with an interval from resampling the configurations.
2. For equal epochs spent, how good is the best network found by the study file's pruners on compressed plans, by
   Optuna's median pruner and its successive halving on the raw curve, and without pruning? The pruners themselves
   decide; each seed draws the configurations of the table in another order.
"""

import argparse
import csv
import io
import json
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from scipy.stats import rankdata

from ana_search.data import Dataset, load_dataset
from ana_search.errors import DivergedError
from ana_search.files import write_durably
from ana_search.plan import TrainingPlan, compress
from ana_search.planner import make_plan
from ana_search.space import make_pruner, make_sampler, replicate_seed, rungs, suggest
from ana_search.study_file import StudySpec, load_study_file
from ana_search.training import train

TABLE = Path(__file__).parents[1] / "docs" / "results" / "fidelity" / "table.csv"
STUDY = """\
[study]
name = "fidelity"
sampler = "random"
pruner = "asha"
seed = 2026
[data]
name = "digits"
validation = 0.25
[network]
name = "digits_cnn"
width = 16
[training]
epochs = 20
[space]
noise = ["uniform", "triangular", "normal", "logistic"]
strategy = ["expectation", "mode", "random"]
mean = ["static", "dynamic"]
interval = ["overlapped", "same_start", "same_end", "partition", "reverse_same_start", "reverse_partition"]
power_law = ["homogeneous", "progressive", "regressive"]
alpha = { low = 0.5, high = 2.0, log = true }
spread = { low = 0.25, high = 1.0 }
offset = { low = -0.2, high = 0.2, scope = "layer" }
backward = ["same", "static"]
"""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One configuration: its learning curve, and by epochs the final accuracy of the plan compressed into them."""

    plan: str
    params: dict[str, Any]
    compressed: dict[int, float]
    curve: list[float]

    @property
    def final(self) -> float:
        """Validation accuracy after the whole plan."""
        return self.curve[-1]


def read_table(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Row(
                plan=line["plan"],
                params=json.loads(line["params"]),
                compressed={int(k.split()[-1]): float(v) for k, v in line.items() if k.startswith("compressed")},
                curve=[float(value) for key, value in line.items() if key.startswith("epoch")],
            )
            for line in csv.DictReader(file)
        ]


def write_table(path: Path, rows: Iterable[Row]) -> None:
    lines = [
        {"plan": row.plan, "params": json.dumps(row.params)}
        | {f"compressed {epochs}": f"{value:.4f}" for epochs, value in row.compressed.items()}
        | {f"epoch {epoch}": f"{value:.4f}" for epoch, value in enumerate(row.curve, start=1)}
        for row in rows
    ]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_durably(path, text.getvalue())


def load_spec() -> StudySpec:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fidelity.toml"
        path.write_text(STUDY)
        return load_study_file(path)


def draw_plans(spec: StudySpec, count: int) -> list[tuple[dict[str, Any], TrainingPlan]]:
    study = optuna.create_study(sampler=make_sampler(spec))
    seed = replicate_seed(spec, 0)
    drawn = [suggest(study.ask(), spec) for _ in range(count)]
    return [(params, make_plan(spec, params, seed)) for params in drawn]


def learning_curve(plan: TrainingPlan, dataset: Dataset) -> list[float]:
    """Return the validation accuracy after every epoch; 0 from the epoch on in which the loss diverged."""
    curve: list[float] = []
    with suppress(DivergedError):
        train(plan, lambda report: curve.append(round(report.accuracy, 6)), dataset=dataset)
    return curve + [0.0] * (plan.training.epochs - len(curve))


def tabulate(spec: StudySpec, count: int, path: Path) -> list[Row]:
    """Return one row a configuration, training those that the table does not hold yet."""
    torch.set_num_threads(1)
    known = {row.plan: row for row in read_table(path)}
    plans = draw_plans(spec, count)
    dataset = load_dataset(plans[0][1].data)
    for number, (params, plan) in enumerate(plans):
        if plan.hash in known:
            continue
        began = time.monotonic()
        short = {epochs: learning_curve(compress(plan, epochs), dataset)[-1] for epochs in rungs(spec)[:-1]}
        row = known[plan.hash] = Row(plan.hash, params, short, learning_curve(plan, dataset))
        write_table(path, known.values())
        print(f"{number + 1}/{count}: {time.monotonic() - began:.1f} s, {row.final:.3f}", flush=True)
    return [known[plan.hash] for _, plan in plans]


MEDIAN = "median pruner, raw curve"


@dataclass(frozen=True)
class Strategy:
    """A way to spend epochs: what is reported when, and who decides."""

    name: str
    pruner: BasePruner
    compressed: bool


def strategies(spec: StudySpec) -> list[Strategy]:
    low, high = rungs(spec)[0], rungs(spec)[-1]
    halving = SuccessiveHalvingPruner(min_resource=low, reduction_factor=3)
    band = HyperbandPruner(min_resource=low, max_resource=high, reduction_factor=3)
    return [
        Strategy("no pruning", NopPruner(), compressed=False),
        Strategy(MEDIAN, MedianPruner(), compressed=False),
        Strategy("Optuna's successive halving, raw curve", halving, compressed=False),
        Strategy("Optuna's successive halving, compressed plans", halving, compressed=True),
        Strategy('pruner = "asha", compressed plans', make_pruner(spec), compressed=True),
        Strategy('pruner = "hyperband", compressed plans', band, compressed=True),
    ]


def search(rows: list[Row], steps: list[int], strategy: Strategy, budget: int, seed: int) -> tuple[float, int]:
    """Return the best final accuracy found within ``budget`` epochs, and how many configurations were tried."""
    study = optuna.create_study(direction="maximize", pruner=strategy.pruner, study_name=f"seed {seed}")
    order = np.random.default_rng(seed).permutation(len(rows))
    best, spent, tried = 0.0, 0, 0
    for position in order:
        row = rows[position]
        trial = study.ask()
        tried += 1
        if strategy.compressed:
            reports = [(epochs, value, epochs) for epochs, value in row.compressed.items()]
            reports.append((steps[-1], row.final, steps[-1]))
        else:
            reports = [(epoch, value, 1) for epoch, value in enumerate(row.curve, start=1)]
        for step, value, cost in reports:
            spent += cost
            if spent > budget:
                return best, tried
            trial.report(value, step)
            if step < steps[-1] and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            best = max(best, row.final)
            study.tell(trial, row.final)
    return best, tried


def correlations(rows: list[Row], steps: list[int], resamples: int = 4000) -> dict[str, tuple[float, float, float]]:
    """Return Spearman's correlation with the final accuracy and its 95 % interval, for each early figure."""
    final = np.array([row.final for row in rows])
    third = steps[1]
    early = {}
    for epochs in (third, steps[0]):
        early[f"compressed into {epochs} epochs"] = np.array([row.compressed[epochs] for row in rows])
        early[f"raw curve at epoch {epochs}"] = np.array([row.curve[epochs - 1] for row in rows])
    draws = np.random.default_rng(0).integers(len(rows), size=(resamples, len(rows)))
    resampled = {name: spearman(values[draws], final[draws]) for name, values in early.items()}
    found = {}
    for name, values in early.items():
        low, high = np.percentile(resampled[name], [2.5, 97.5])
        found[name] = (float(spearman(values[None], final[None])[0]), float(low), float(high))
    a, b = f"compressed into {third} epochs", f"raw curve at epoch {third}"
    low, high = np.percentile(resampled[a] - resampled[b], [2.5, 97.5])
    found["difference at a third (paired)"] = (found[a][0] - found[b][0], float(low), float(high))
    return found


def spearman(one: Values, other: Values) -> Values:
    """Return Spearman's rank correlation of each pair of rows."""
    a, b = (rankdata(values, axis=1) for values in (one, other))
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (a, b))
    return np.asarray((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))


def report(rows: list[Row], spec: StudySpec, budgets: list[int], seeds: int) -> str:
    steps = rungs(spec)
    final = np.array([row.final for row in rows])
    lines = [
        f"{len(rows)} random configurations; final accuracy {final.mean():.3f} on average, "
        f"{final.min():.3f} to {final.max():.3f}.",
        "",
        "| figure | Spearman's correlation with the final accuracy | 95 % interval |",
        "|---|---|---|",
    ]
    for name, (value, low, high) in correlations(rows, steps).items():
        lines.append(f"| {name} | {value:.3f} | {low:.3f} to {high:.3f} |")
    for budget in budgets:
        lines += [
            "",
            f"Best final accuracy found with {budget} epochs, mean over {seeds} orders of the configurations:",
            "",
            f"| strategy | mean | standard error | configurations tried | better, equal, worse than {MEDIAN} |",
            "|---|---|---|---|---|",
        ]
        runs = {
            strategy.name: [search(rows, steps, strategy, budget, seed) for seed in range(seeds)]
            for strategy in strategies(spec)
        }
        rival = np.array([best for best, _ in runs[MEDIAN]])
        for name, found in runs.items():
            best = np.array([value for value, _ in found])
            tried = float(np.mean([count for _, count in found]))
            error = best.std(ddof=1) / np.sqrt(seeds)
            shares = [float(np.mean(one)) for one in (best > rival, best == rival, best < rival)]
            compared = "" if name == MEDIAN else ", ".join(f"{share:.0%}" for share in shares)
            lines.append(f"| {name} | {best.mean():.4f} | {error:.4f} | {tried:.1f} | {compared} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--budgets", type=int, nargs="+", default=[100, 200, 300])
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--where", metavar="KEY=VALUE", help="report on the configurations that have this value alone")
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec = load_spec()
    rows = read_table(options.table) if options.report_only else tabulate(spec, options.configurations, options.table)
    if options.where is not None:
        key, _, value = options.where.partition("=")
        rows = [row for row in rows if str(row.params.get(key)) == value]
    print(report(rows, spec, options.budgets, options.seeds))


if __name__ == "__main__":
    main()
