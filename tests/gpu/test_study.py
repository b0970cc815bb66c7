"""A study whose trials share a CUDA device, from the command line to the exported network."""

from pathlib import Path

import onnxruntime
import optuna
import pytest
import torch
from optuna.trial import TrialState

from tests.runner.commands import run

pytestmark = pytest.mark.gpu

STUDY = """\
[study]
name = "shared"
sampler = "grid"
seeds = 2
[data]
name = "digits"
validation = 0.25
[network]
name = "digits_cnn"
width = 16
[training]
epochs = 6
[space]
noise = ["uniform", "logistic"]
interval = ["partition", "same_end"]
[resources]
workers = 4
gpus_per_trial = 0.25
"""


def test_four_trials_at_a_time_share_a_device(tmp_path: Path) -> None:
    (tmp_path / "shared.toml").write_text(STUDY)
    launched = run(tmp_path, "launch", "shared.toml", timeout=400)
    assert launched.returncode == 0, launched.stdout + launched.stderr
    storage = f"sqlite:///{tmp_path / 'runs' / 'shared' / 'study.db'}"
    trials = optuna.load_study(study_name="shared", storage=storage).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    assert {trial.user_attrs["device"] for trial in trials} == {torch.cuda.get_device_name()}
    assert len({trial.user_attrs["worker"] for trial in trials}) == 4
    exported = run(tmp_path, "export", "shared.toml", "--top", "1", "--out", "models")
    assert exported.returncode == 0, exported.stdout + exported.stderr
    (model,) = (tmp_path / "models").rglob("*.onnx")
    assert onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).get_inputs()
