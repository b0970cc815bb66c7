"""Studies as a launch leaves them, made without training."""

import dataclasses
import json
import random
from pathlib import Path

import optuna
from optuna.trial import FixedTrial, TrialState, create_trial

from ana_search.planner import make_plan
from ana_search.space import grid, replicate_seed, requested_trials, suggest
from ana_search.storage import RunFolder, open_storage
from ana_search.study_file import StudySpec

EFFECTS = {"overlapped": 0.86, "same_start": 0.89, "same_end": 0.76, "partition": 0.92}


def stored_study(spec: StudySpec, runs: Path, *, trials: int | None = None, histories: bool = True) -> optuna.Study:
    """Return the study of a grid with its first ``trials`` trials complete, in SQLite under ``runs``."""
    folder = RunFolder(runs, spec.study.name)
    storage = open_storage(f"sqlite:///{folder.database}")
    study = optuna.create_study(storage=storage, study_name=spec.study.name, direction="maximize")
    study.set_user_attr("spec", spec.to_json())
    study.set_user_attr("requested", requested_trials(spec))
    draw = random.Random(0)
    wanted = [(params, replicate) for params in grid(spec) for replicate in range(spec.replicates)]
    finished, plans = [], {}
    for number, (params, replicate) in enumerate(wanted[:trials]):
        fixed = FixedTrial(params)
        suggest(fixed, spec)
        cell = json.dumps(params)
        plans[cell] = plans.get(cell) or make_plan(spec, params, 0)
        plan = dataclasses.replace(plans[cell], seed=replicate_seed(spec, replicate))
        value = EFFECTS[str(params["interval"])] + draw.gauss(0, 0.015)
        attributes = {
            "seed": plan.seed,
            "replicate": replicate,
            "plan_hash": plan.hash,
            "attempt": 1,
            "epochs": 20,
        }
        attributes |= {"seconds": 4.2, "worker": "0@here:1", "device": "cpu", "weight_bits": 2.0}
        finished.append(
            create_trial(
                state=TrialState.COMPLETE,
                value=value,
                params=fixed.params,
                distributions=fixed.distributions,
                user_attrs=attributes,
            )
        )
        if histories:
            trial = folder.trial(number)
            trial.mkdir(parents=True)
            (trial / "plan.json").write_text(plan.to_json())
            (trial / "history.json").write_text(json.dumps([_epoch(epoch, value) for epoch in range(1, 21)]))
    study.add_trials(finished)
    return study


def _epoch(epoch: int, value: float) -> dict[str, object]:
    accuracy = value * (1 - 0.7**epoch)
    rest = {
        "epochs": 20,
        "train_accuracy": accuracy,
        "learning_rate": 3e-3,
        "gap": [0.1] * 5,
        "seconds": 0.2 * epoch,
    }
    return {"epoch": epoch, "loss": 2 * 0.8**epoch, "accuracy": accuracy} | rest
