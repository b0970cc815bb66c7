"""Where else learning curves go: loggers by the name that ``[study] logger`` takes."""

from collections.abc import Callable
from pathlib import Path

from ana_search.runner.loggers.base import CurveLogger
from ana_search.runner.loggers.mlflow import MlflowLogger
from ana_search.runner.loggers.tensorboard import TensorboardLogger
from ana_search.runner.loggers.wandb import WandbLogger

__all__ = ["LOGGERS", "CurveLogger"]

LOGGERS: dict[str, Callable[[str, Path], CurveLogger]] = {
    "tensorboard": TensorboardLogger,
    "mlflow": MlflowLogger,
    "wandb": WandbLogger,
}
