"""Small plans for the tests of training."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ana_search.ana import LayerSchedule, decay_intervals, decay_powers
from ana_search.ana.methods import METHODS
from ana_search.plan import DataPlan, LayerPlan, NetworkPlan, Reference, TrainingPlan, TrainingSettings
from ana_search.training import EpochReport

DIGITS = DataPlan("digits", validation=0.25)


class Stop(Exception):
    """Ends a run from its report."""


def digits_plan(
    interval: str = "partition",
    *,
    epochs: int = 3,
    width: int = 4,
    seed: int = 3,
    augment: bool = False,
    **schedule: Any,
) -> TrainingPlan:
    """Return a plan for scikit-learn's digits; ``schedule`` holds fields of every layer's `LayerSchedule`."""
    powers = decay_powers("homogeneous", layers=5)
    schedules = [
        LayerSchedule(start=start, end=end, mean_alpha=0.0, spread_alpha=2.0 * power, **schedule)
        for (start, end), power in zip(decay_intervals(interval, layers=5), powers, strict=True)
    ]
    return TrainingPlan(
        data=dataclasses.replace(DIGITS, augment="crop+flip" if augment else "none"),
        network=NetworkPlan("digits_cnn", width),
        layers=tuple(LayerPlan("ternary", "ternary", one, one) for one in schedules),
        training=TrainingSettings(epochs=epochs),
        seed=seed,
    )


def method_plan(method: str, *, epochs: int = 3, **layer: Any) -> TrainingPlan:
    """Return a plan whose layers are trained by a method, with the scales of its publication.

    ``layer`` holds fields of every `LayerPlan`.
    """
    plan, kind = digits_plan(epochs=epochs, method=method), METHODS[method].scale
    fields = {"weight_scale": kind, "activation_scale": kind} | layer
    return dataclasses.replace(plan, layers=tuple(dataclasses.replace(each, **fields) for each in plan.layers))


def with_settings(plan: TrainingPlan, **settings: Any) -> TrainingPlan:
    """Return the plan with other training settings."""
    return dataclasses.replace(plan, training=dataclasses.replace(plan.training, **settings))


def everything(epochs: int = 3) -> TrainingPlan:
    """Return a plan that uses every part of a recipe at once."""
    plan = with_settings(
        digits_plan(epochs=epochs, strategy="random"),
        optimiser="adamw",
        weight_decay=0.01,
        weight_decay_of="weights",
        schedule="cosine",
        warmup=0.1,
        label_smoothing=0.1,
        clip=1.0,
        average="ema",
        average_span=0.2,
        recalibrate="batch_norm",
        teacher="float",
    )
    data = dataclasses.replace(plan.data, augment="crop+flip+trivial_augment+cutout+mixup")
    return dataclasses.replace(plan, data=data, reference=Reference(TrainingSettings(epochs=2)))


def numbers(history: list[EpochReport]) -> list[tuple[object, ...]]:
    """Return everything in a history but the time it took."""
    return [dataclasses.astuple(dataclasses.replace(report, seconds=0.0)) for report in history]


def stop_after(epoch: int) -> Callable[[EpochReport], None]:
    """Return a report that ends the run after an epoch."""

    def report(done: EpochReport) -> None:
        if done.epoch == epoch:
            raise Stop

    return report
