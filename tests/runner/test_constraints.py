"""Constraints and several objectives: the real driver, with accuracies that follow from the bits and no training."""

import json
from dataclasses import fields
from itertools import product
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from ana_search.dashboard.gather import gather
from ana_search.dashboard.notes import study_note, trial_notes
from ana_search.dispatch import Job
from ana_search.errors import StudyFileError
from ana_search.hardware import figures, linear_maps
from ana_search.objectives import OBJECTIVES
from ana_search.plan import TrainingPlan
from ana_search.planner import make_plan
from ana_search.results import load_results
from ana_search.runner import launch
from ana_search.runner.driver import FIGURES
from ana_search.storage import open_storage, open_study
from ana_search.storage.record import TrialStart
from ana_search.study_file import StudySpec, load_study_file
from ana_search.summary import best_trials, study_status
from ana_search.testing import Fate, SimulatedDispatcher

TEXT = """\
[study]
name = "bits"
{study}
[data]
name = "digits"
[network]
name = "digits_cnn"
width = 16
[training]
epochs = 9
[space]
weight_bits = {{ choices = [2, 3, 4, 6, 8], scope = "layer" }}
"""
WORTH = (0.5, 0.1, 0.2, 0.05, 0.15)  # what a layer's bits are worth, together 1
BUDGET = "bytes <= 17_000"


def study(folder: Path, *lines: str) -> StudySpec:
    path = folder / "bits.toml"
    path.write_text(TEXT.format(study="\n".join(lines)))
    return load_study_file(path)


def accuracy_of(plan: TrainingPlan) -> float:
    """More bits are more accurate, with less to gain from each; a rung of few epochs is less accurate."""
    assert all(isinstance(layer.weight_bits, int) for layer in plan.layers)
    bits = [int(layer.weight_bits) for layer in plan.layers]
    reached = sum(worth * (1 - 2.0 ** (1 - bit)) for worth, bit in zip(WORTH, bits, strict=True))
    return reached * (1 - 0.2 / plan.training.epochs)


class Watched(SimulatedDispatcher):
    """A simulated cluster that keeps what it was given."""

    def __init__(self, workers: int = 4) -> None:
        super().__init__(workers, lambda job: Fate(10.0, accuracy_of(job.plan)))
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        self.jobs.append(job)
        super().submit(job)


def run(spec: StudySpec, folder: Path, trials: int | None = None, workers: int = 4) -> Watched:
    dispatcher = Watched(workers)
    outcome = launch(spec, trials=trials, runs=folder, workers=workers, deterministic=True, dispatcher=dispatcher)
    assert not outcome.interrupted
    return dispatcher


def stored(folder: Path) -> list[FrozenTrial]:
    url = f"sqlite:///{folder / 'bits' / 'study.db'}"
    return optuna.load_study(study_name="bits", storage=open_storage(url, create=False)).trials


def is_infeasible(trial: FrozenTrial) -> bool:
    return any(value > 0 for value in trial.constraints.values())


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Watched]:
    """100 trials of TPE under a byte budget."""
    folder = tmp_path_factory.mktemp("searched")
    spec = study(folder, f'constraints = ["{BUDGET}"]', 'sampler = "tpe"', "trials = 100")
    return folder, run(spec, folder)


def test_what_breaks_a_budget_is_never_trained_and_never_dropped(searched: tuple[Path, Watched]) -> None:
    folder, dispatcher = searched
    trials = stored(folder)
    broken = [trial for trial in trials if trial.user_attrs["bytes"] > 17_000]
    assert len(trials) == 100
    assert 10 < len(broken) < 90
    assert {trial.number for trial in broken}.isdisjoint(job.trial for job in dispatcher.jobs)
    assert len(dispatcher.jobs) == 100 - len(broken)
    for job in dispatcher.jobs:
        assert figures(job.plan)["bytes"] == trials[job.trial].user_attrs["bytes"] <= 17_000
    for trial in trials:
        assert is_infeasible(trial) == (trial in broken)
        assert trial.state == (TrialState.PRUNED if trial in broken else TrialState.COMPLETE)
    one = broken[0]
    assert one.user_attrs["reason"] == f"infeasible: bytes = {one.user_attrs['bytes']:,}, allowed: bytes <= 17000"
    assert next(iter(one.constraints.values())) == pytest.approx(one.user_attrs["bytes"] / 17_000 - 1)


def test_status_best_and_table_say_so(searched: tuple[Path, Watched]) -> None:
    folder, _ = searched
    frame = load_results("bits", runs=folder)
    broken = frame[frame["state"] == "INFEASIBLE"]
    assert (broken["bytes"] > 17_000).all()
    assert broken["infeasible"].notna().all()
    assert frame.loc[frame["state"] == "COMPLETE", "infeasible"].isna().all()
    status = study_status("bits", runs=folder)
    assert status["finished"] == 100
    assert status["states"]["INFEASIBLE"] == len(broken)
    assert status["states"]["PRUNED"] == 0
    assert status["constraints"] == ["bytes <= 17000"]
    assert status["infeasible"] == {"bytes <= 17000": len(broken)}
    assert status["failures"] == {}
    rows = best_trials("bits", runs=folder)
    assert rows[0]["value"] == frame["value"].max()
    assert all(row["figures"]["bytes"] <= 17_000 and "infeasible" not in row for row in rows)


@pytest.mark.parametrize(("sampler", "trials"), [("tpe", 100), ("nsga2", 200)])
def test_the_sampler_learns_from_what_was_not_trained(sampler: str, trials: int, tmp_path: Path) -> None:
    """Of all networks nearly nine in ten break the budget; of the later draws far fewer do."""
    spec = study(tmp_path, 'constraints = ["bytes <= 19_000"]', f'sampler = "{sampler}"', f"trials = {trials}")
    run(spec, tmp_path)
    late = [is_infeasible(trial) for trial in stored(tmp_path)[-50:]]
    sizes = [one.weights for one in linear_maps(make_plan(spec, {}, 0))]
    packed = [2, 4, 4, 8, 8]  # of 2, 3, 4, 6, 8 bits
    totals = [
        sum(size * bits // 8 for size, bits in zip(sizes[:-1], widths, strict=True)) + 4 * (sizes[-1] + 10)
        for widths in product(packed, repeat=5)
    ]
    drawn = sum(total > 19_000 for total in totals) / len(totals)
    assert drawn > 0.8
    assert sum(late) / len(late) < 0.7 * drawn


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_a_launch_in_pieces_draws_what_one_in_one_piece_draws(sampler: str, tmp_path: Path) -> None:
    asked = ['objective = ["val_accuracy", "operations"]', f'constraints = ["{BUDGET}"]', f'sampler = "{sampler}"']
    asked += ['pruner = "asha"', "trials = 70"]
    found = []
    for stops in ((31, 50, 70), (70,)):
        folder = tmp_path / str(len(stops))
        folder.mkdir()
        for trials in stops:
            run(study(folder, *asked), folder, trials, workers=1)
        found.append([(trial.params, trial.values, trial.state, trial.system_attrs) for trial in stored(folder)])
    assert found[0] == found[1]


def test_a_study_without_a_network_within_its_budget_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    spec = study(tmp_path, 'constraints = ["bytes <= 5_000", "operations <= 2e9"]', 'sampler = "tpe"')
    with pytest.raises(StudyFileError, match=r"'bytes <= 5000' \(the least of any is 13,324 bytes\)"):
        launch(spec, runs=tmp_path, dispatcher=Watched())
    assert not (tmp_path / "bits").exists()


def test_an_accuracy_that_is_too_low_is_never_the_best(tmp_path: Path) -> None:
    asked = ['objective = ["val_accuracy", "bytes"]', 'constraints = ["val_accuracy >= 0.85"]']
    run(study(tmp_path, *asked, 'sampler = "nsga2"', "trials = 80"), tmp_path)
    opened = open_study("bits", runs=tmp_path)
    low = [trial for trial in opened.trials if trial.values[0] < 0.85]
    assert 5 < len(low) < 75
    assert all(trial.is_complete and not trial.is_feasible for trial in low)
    assert all(is_infeasible(stored(tmp_path)[trial.number]) for trial in low)
    assert all(trial.values[0] >= 0.85 for trial in opened.pareto())
    cheapest = min(opened.trials, key=lambda trial: trial.values[1])
    assert not cheapest.is_feasible
    rows = best_trials(opened, top=80)
    assert [("infeasible" in row) for row in rows] == sorted("infeasible" in row for row in rows)
    assert study_status(opened)["infeasible"] == {"val_accuracy >= 0.85": len(low)}


def test_a_journal_and_the_note_say_that_nothing_is_feasible(tmp_path: Path) -> None:
    asked = ['constraints = ["val_accuracy >= 0.99", "operations <= 5e6"]', 'sampler = "random"', "trials = 12"]
    url = f"journal:///{tmp_path / 'journal.log'}"
    launch(study(tmp_path, *asked), runs=tmp_path, storage=url, deterministic=True, dispatcher=Watched(1))
    opened = open_study("bits", url, tmp_path)
    complete = [trial for trial in opened.trials if trial.is_complete]
    assert 0 < len(complete) < 12
    assert opened.pareto() == []
    for trial in opened.study.get_trials():
        accuracy = trial.values[0] if trial.values else 0.0
        missed = [(0.99 - accuracy) / 0.99, trial.user_attrs["operations"] / 5e6 - 1]
        assert list(trial.constraints.values()) == pytest.approx(missed)
    shown = gather(opened)
    note = study_note(shown.facts, shown.frame)
    assert f"{12 - len(complete)} of them infeasible and not trained" in note
    assert "**No complete trial meets them**" in note
    best = best_trials(opened, top=1)[0]
    assert "allowed: val_accuracy >= 0.99" in best["infeasible"]
    assert "It breaks a constraint" in trial_notes(shown.facts, shown.frame)[best["number"]]


@pytest.mark.parametrize("pruner", ["asha", "hyperband"])
@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_rungs_with_two_objectives_keep_the_ends_of_the_front(sampler: str, pruner: str, tmp_path: Path) -> None:
    asked = ['objective = ["val_accuracy", "bytes"]', f'sampler = "{sampler}"', f'pruner = "{pruner}"', "trials = 90"]
    spec = study(tmp_path, *asked)
    run(spec, tmp_path, 31)
    dispatcher = run(spec, tmp_path)
    trials = stored(tmp_path)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert len(trials) == 90 == len(complete) + len(pruned)
    assert len(pruned) > 40
    assert all(trial.values == [pytest.approx(trial.values[0]), trial.user_attrs["bytes"]] for trial in complete)
    assert all("pruned at the rung" in trial.user_attrs["reason"] for trial in pruned)
    assert {job.plan.training.epochs for job in dispatcher.jobs} == {1, 3, 9}
    # What goes on is not the most accurate alone: among the complete there are small networks too.
    sizes = [trial.user_attrs["bytes"] for trial in trials]
    kept = [trial.values[1] for trial in complete]
    assert min(kept) <= sorted(sizes)[len(sizes) // 10]
    most = max(trial.values[0] for trial in complete)
    assert most >= sorted(accuracy_at_the_first_rung(trial) for trial in trials)[-10]


def accuracy_at_the_first_rung(trial: FrozenTrial) -> float:
    return trial.intermediate_values[1]


def test_files_are_written_once_for_all_trials_of_equal_bits(tmp_path: Path) -> None:
    path = tmp_path / "bits.toml"
    asked = 'objective = ["val_accuracy", "latency", "ram"]\nconstraints = ["flash <= 30_000"]'
    text = TEXT.format(study=f'{asked}\nsampler = "random"\ntrials = 8')
    path.write_text(
        text.replace('weight_bits = { choices = [2, 3, 4, 6, 8], scope = "layer" }', "weight_bits = [2, 8]")
    )
    run(load_study_file(path), tmp_path)
    kept = json.loads((tmp_path / "bits" / FIGURES).read_text())
    trials = stored(tmp_path)
    assert len(kept) == len({trial.params["weight_bits"] for trial in trials}) == 2
    for trial in trials:
        figures_of_it = {name: trial.user_attrs[f"{name}_bytes"] for name in ("ram", "flash")}
        assert figures_of_it | {"latency": trial.user_attrs["latency_ms"]} in kept.values()
        small = trial.params["weight_bits"] == 2
        assert (trial.user_attrs["flash_bytes"] <= 30_000) == small == (trial.state == TrialState.COMPLETE)
        assert 0 < trial.user_attrs["latency_ms"] < 1000
        if small:
            assert trial.values[1:] == [trial.user_attrs["latency_ms"], trial.user_attrs["ram_bytes"]]
    assert load_results("bits", runs=tmp_path)[["latency_ms", "ram_bytes", "flash_bytes"]].notna().all().all()


def test_every_figure_has_a_field_of_its_own_in_a_stored_trial() -> None:
    known = {one.name for one in fields(TrialStart)}
    attributes = [one.attribute for one in OBJECTIVES.values() if one.known]
    assert set(attributes) <= known
    assert len(set(attributes)) == len(attributes) == len(OBJECTIVES) - 1
