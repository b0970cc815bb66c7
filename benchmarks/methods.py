"""The leaderboard of the methods: what each reaches, with its best learning rate, on images that nobody chose by.

    ana-search launch methods --workers 2
    OMP_NUM_THREADS=1 python benchmarks/methods.py [--runs DIR] [--seeds 8]

The study tunes one learning rate a method, by the mean validation accuracy of its replicates; here the chosen ones are
trained anew with fresh seeds and tested once on the test part. Results are kept after every run in
docs/results/methods/confirmed.json, and the page beside it is written from them: asking again goes on.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from ana_search.confirm import Confirmation, confirm, interval
from ana_search.planner import make_plan
from ana_search.results import load_results
from ana_search.space import derive_seed
from ana_search.storage import open_study

FOLDER = Path(__file__).parents[1] / "docs" / "results" / "methods"
KEPT = FOLDER / "confirmed.json"
FRESH = 10**6  # replicates that no study has
BASE = "clipped_ste"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", default="runs")
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    trials = load_results("methods", runs=options.runs)
    done = trials[trials["state"] == "COMPLETE"]
    done.drop(columns=["worker"]).to_csv(FOLDER / "trials.csv", index=False)
    rates = done.groupby(["method", "learning_rate"])["value"].mean()
    best = {str(method): float(rates[method].idxmax()) for method in done["method"].unique()}
    kept: dict[str, Confirmation] = {}
    if KEPT.exists():
        kept = {each["plan_hash"]: Confirmation(**each) for each in json.loads(KEPT.read_text())}
    with open_study("methods", runs=options.runs) as stored:
        spec = stored.spec
    found: dict[str, list[Confirmation]] = defaultdict(list)
    for number in range(options.seeds):  # seed by seed: what is there at any time compares all methods
        for method, rate in best.items():
            params = {"method": method, "learning_rate": rate}
            plan = make_plan(spec, params, derive_seed(spec.study.seed, params, FRESH + number))
            result = confirm([plan], known=kept, threads=1)[0]
            kept[result.plan_hash] = result
            found[method].append(result)
            KEPT.write_text(json.dumps([asdict(each) for each in kept.values()], indent=1) + "\n")
    (FOLDER / "README.md").write_text(page(best, found, done), encoding="utf-8")


def page(best: Mapping[str, float], found: Mapping[str, list[Confirmation]], done: object) -> str:
    """Return the page: one row a method, the best first."""
    tests = {method: np.array([each.test for each in results]) for method, results in found.items()}
    rows = []
    for method in sorted(tests, key=lambda each: -tests[each].mean()):
        _, low, high = interval(tests[method].tolist())
        difference = tests[method].mean() - tests[BASE].mean()
        gap = stats.ttest_ind(tests[method], tests[BASE], equal_var=False).confidence_interval()
        against = "" if method == BASE else f"{100 * difference:+.1f} ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"
        validation = np.mean([each.validation for each in found[method]])
        rows.append(
            f"| `{method}` | {best[method]:g} | {100 * validation:.1f} | {100 * tests[method].mean():.1f} "
            f"({100 * low:.1f} to {100 * high:.1f}) | {against} |"
        )
    seeds = len(next(iter(found.values())))
    return _PAGE.format(rows="\n".join(rows), seeds=seeds, torch=torch.__version__)


_PAGE = """# Methods: a leaderboard on digits

Nine methods train the ternary `digits_cnn` (width 16, 20 epochs, Adam) on scikit-learn's digits. Each has the learning
rate of the four studied (0.001 to 0.008) with the best mean validation accuracy of three replicates: the same number of
trials for every method. The chosen ones were then trained anew with {seeds} fresh seeds and tested once on the test
part, which nothing was chosen by. Commands: `ana-search launch methods --workers 2`, `python benchmarks/methods.py`.
One CPU thread a run, PyTorch {torch}.

| Method | Learning rate | Validation, % | Test, % (95 %) | Points above `clipped_ste` (95 %) |
|---|---|---|---|---|
{rows}

Intervals are Student's, over seeds. Nine methods are compared: a single difference whose interval just leaves out 0 is
to be expected by chance. A budget of 20 epochs is short for methods that anneal or freeze, and digits are 8 pixels
wide: the order elsewhere may differ.
"""


if __name__ == "__main__":
    main()
