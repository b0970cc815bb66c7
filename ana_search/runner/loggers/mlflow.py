"""MLflow: one run a trial in an experiment of the study's name, written when the trial is complete."""

from collections.abc import Sequence
from pathlib import Path

from ana_search.history import Epoch
from ana_search.runner.loggers.base import metrics_of, need
from ana_search.space import TrialParams

__all__ = ["MlflowLogger"]


class MlflowLogger:
    """Writes to ``MLFLOW_TRACKING_URI``, or to an SQLite file in the run directory."""

    def __init__(self, study: str, folder: Path) -> None:
        need("mlflow", "mlflow")
        import os

        from mlflow.tracking import MlflowClient

        folder.mkdir(parents=True, exist_ok=True)
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}"
        self.where = f"mlflow ui --backend-store-uri {uri}"
        self._client = MlflowClient(uri)
        known = self._client.get_experiment_by_name(study)
        self._experiment = known.experiment_id if known is not None else self._client.create_experiment(study)

    def epoch(self, trial: int, epoch: int, epochs: int, accuracy: float) -> None:
        """Wait for the whole trial."""

    def recorded(self, trial: int, params: TrialParams, value: float, history: Sequence[Epoch]) -> None:
        """Log a complete trial as one run."""
        run = self._client.create_run(self._experiment, run_name=f"trial-{trial:04d}").info.run_id
        for name, param in params.items():
            self._client.log_param(run, name, param)
        for epoch in history:
            for name, number in metrics_of(epoch).items():
                self._client.log_metric(run, name, number, step=epoch["epoch"])
        self._client.log_metric(run, "value", value)
        self._client.set_terminated(run)

    def ended(self, trial: int) -> None:
        """Nothing of it has been logged."""

    def close(self) -> None:
        """Everything is written already."""
