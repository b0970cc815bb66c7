"""Learning curves where people look: TensorBoard's files of a real study, and MLflow's and wandb's where installed."""

from pathlib import Path
from typing import Any

import pytest

from ana_search.dispatch.local import LocalDispatcher
from ana_search.errors import RequestError
from ana_search.results import load_history, load_results
from ana_search.runner import launch
from ana_search.runner.loggers import LOGGERS, base
from ana_search.runner.logging import LoggedProgress
from ana_search.runner.progress import Silent
from tests.runner.studies import make_spec

HISTORY = [
    {"epoch": epoch, "epochs": 3, "loss": 1.0 / epoch, "train_accuracy": 0.5, "accuracy": 0.2 * epoch,
     "learning_rate": 1e-3, "gap": [0.3, 0.1]} for epoch in (1, 2, 3)
]  # fmt: skip
PARAMS = {"noise": "normal", "alpha": 1.5, "interval": "partition"}


class Told(Silent):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Return step and value of every scalar of a TensorBoard run, as TensorBoard itself reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run))
    events.Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_has_every_epoch_of_a_study(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="an extra")
    spec = make_spec(tmp_path, "curves", study='sampler = "grid"\nlogger = "tensorboard"', training="epochs = 3")
    told = Told()
    launch(spec, runs=tmp_path / "runs", workers=1, dispatcher=LocalDispatcher(), progress=told)
    folder = tmp_path / "runs" / "curves" / "tensorboard"
    assert f"learning curves: tensorboard --logdir {folder}" in told.messages
    assert [run.name for run in sorted(folder.iterdir())] == [f"trial-{n:04d}-3-epochs" for n in range(4)]
    for number, value in enumerate(load_results("curves", runs=tmp_path / "runs")["value"]):
        found = scalars(folder / f"trial-{number:04d}-3-epochs")
        history = load_history("curves", number, runs=tmp_path / "runs")
        for tag, key in (("accuracy/validation", "accuracy"), ("loss/training", "loss")):
            assert found[tag] == [(epoch["epoch"], pytest.approx(epoch[key])) for epoch in history]
        assert found["regularisation_gap/layer_0"][0][1] == pytest.approx(history[0]["gap"][0])
        assert found["accuracy"][0][1] == pytest.approx(value)


def test_an_interrupted_trial_is_logged_once(tmp_path: Path) -> None:
    """Another driver trains the second epoch again and goes on: each epoch is there once."""
    pytest.importorskip("tensorboard", reason="an extra")
    first, second = (LOGGERS["tensorboard"]("study", tmp_path) for _ in range(2))
    for logger, epochs in ((first, (1, 2)), (second, (2, 3))):
        for epoch in epochs:
            logger.epoch(0, epoch, 3, 0.2 * epoch)
        if logger is first:
            logger.close()
    second.recorded(0, PARAMS, 0.6, HISTORY)
    found = scalars(tmp_path / "tensorboard" / "trial-0000-3-epochs")
    assert [step for step, _ in found["accuracy/validation"]] == [1, 2, 3]
    assert [step for step, _ in found["loss/training"]] == [1, 2, 3]


# MLflow's own code uses what SQLAlchemy 2.1 deprecates.
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")
def test_mlflow_has_a_run_for_each_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = pytest.importorskip("mlflow.tracking", reason="an extra")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    logger = LOGGERS["mlflow"]("study", tmp_path)
    logger.recorded(7, PARAMS, 0.6, HISTORY)
    client = tracking.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("study").experiment_id])
    assert run.info.run_name == "trial-0007"
    assert run.data.params == {name: str(value) for name, value in PARAMS.items()}
    steps = client.get_metric_history(run.info.run_id, "accuracy/validation")
    assert [(one.step, one.value) for one in steps] == [(e["epoch"], e["accuracy"]) for e in HISTORY]


def test_wandb_has_a_run_for_each_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="an extra")
    monkeypatch.setenv("WANDB_MODE", "offline")
    logger = LOGGERS["wandb"]("study", tmp_path)
    for trial in (1, 2):
        logger.recorded(trial, PARAMS, 0.6, HISTORY)
    assert len(list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))) == 2


def test_a_missing_package_is_said_before_anything_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base.importlib.util, "find_spec", lambda name: None)
    spec = make_spec(tmp_path, "without", study='sampler = "grid"\nlogger = "tensorboard"')
    with pytest.raises(RequestError, match=r"study.logger 'tensorboard'.*not installed.*ana-search\[tensorboard\]"):
        launch(spec, runs=tmp_path / "runs", dispatcher=LocalDispatcher())
    assert not (tmp_path / "runs").exists()


def test_losing_the_log_costs_the_log() -> None:
    class Full:
        where = "nowhere"

        def epoch(self, *arguments: Any) -> None:
            raise OSError(28, "No space left on device")

        def recorded(self, *arguments: Any) -> None:
            raise AssertionError("asked again")

        def ended(self, trial: int) -> None:
            raise AssertionError("asked again")

        def close(self) -> None:
            raise AssertionError("asked again")

    told = Told()
    progress = LoggedProgress(told, Full())
    progress.epoch("w", 0, 1, 3, 0.5)
    progress.epoch("w", 0, 2, 3, 0.5)
    progress.recorded(0, PARAMS, 0.5, HISTORY)
    progress.close()
    (message,) = told.messages
    assert "logged no more: OSError" in message
