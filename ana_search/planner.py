"""From a study and one trial's parameters to the plan of a training run."""

from collections.abc import Mapping
from typing import Any

from ana_search.ana.annealer import LayerSchedule
from ana_search.ana.synchronise import decay_intervals, decay_powers, shift
from ana_search.errors import RequestError
from ana_search.plan import LayerPlan, NetworkPlan, TrainingPlan, TrainingSettings
from ana_search.space import layer_count, layer_values, searched
from ana_search.study_file import KEYS, StudySpec
from ana_search.study_file.keys import RENAMED
from ana_search.study_file.sections import data_plan

__all__ = ["DYNAMIC_MEAN", "make_plan"]

DYNAMIC_MEAN = -0.5  # where a dynamic mean starts, in steps of the stair (the paper's experiments)


def make_plan(spec: StudySpec, params: Mapping[str, Any], seed: int) -> TrainingPlan:
    """Return the training plan of the study with the parameters ``params`` and the seed ``seed``.

    ``params`` are those of a trial (see `ana_search.space.suggest`); what they leave out has the value that
    the study file gives, or the default. Where folds take turns, the fold is ``seed`` modulo their number.
    Raises `RequestError` for a parameter that the study does not search, or a value that its key does not
    allow.
    """
    layers = layer_count(spec)
    _check_params(spec, params, layers)
    values = {name: layer_values(spec, name, params, layers) for name in KEYS}
    plans = _layer_plans(values, layers)
    settings = spec.training.model_dump()
    settings |= {name: values[name][0] for name in settings if name in values}
    return TrainingPlan(
        data=data_plan(spec.data, spec.quantiser, seed),
        network=NetworkPlan(**spec.network.model_dump()),
        layers=plans,
        training=TrainingSettings(**settings),
        seed=seed,
    )


def _check_params(spec: StudySpec, params: Mapping[str, Any], layers: int) -> None:
    """Raise `RequestError` for the first parameter that is not one of the study's."""
    allowed: dict[str, str] = {}
    for name, parameter in searched(spec).items():
        for full in [name] if parameter.scope == "network" else [f"{name}.{layer}" for layer in range(layers)]:
            allowed[full] = name
    for full, value in params.items():
        if full not in allowed:
            name = full.partition(".")[0]
            if name in RENAMED:
                raise RequestError(f"parameter {full!r} is called {RENAMED[name]!r} now")
            raise RequestError(f"parameter {full!r} is not searched; allowed: {', '.join(allowed) or 'none'}")
        problem = KEYS[allowed[full]].problem(value)
        if problem:
            raise RequestError(f"parameter {full}: {problem}")


def _layer_plans(values: Mapping[str, list[Any]], layers: int) -> tuple[LayerPlan, ...]:
    intervals = decay_intervals(values["interval"][0], layers=layers)
    powers = decay_powers(values["power_law"][0], layers=layers)
    backward = decay_intervals(values["backward_interval"][0], layers=layers)
    plans = []
    for layer in range(layers):
        value = {name: column[layer] for name, column in values.items()}
        weights = _schedule(value, intervals[layer], powers[layer], backward[layer], value["offset"])
        shifted = value["offset"] + value["activation_offset"]
        activations = _schedule(value, intervals[layer], powers[layer], backward[layer], shifted)
        plans.append(LayerPlan(value["weight_bits"], value["activation_bits"], weights, activations))
    return tuple(plans)


def _schedule(
    value: Mapping[str, Any],
    interval: tuple[float, float],
    power: float,
    backward: tuple[float, float],
    offset: float,
) -> LayerSchedule:
    """Return one layer's schedule; a static quantity has alpha 0, a dynamic spread twice the mean's alpha."""
    start, end = shift(interval, offset)
    alpha = float(value["alpha"] * power)
    mean = {"static": 0.0, "dynamic": DYNAMIC_MEAN}.get(value["mean"], value["mean"])
    return LayerSchedule(
        noise=value["noise"],
        strategy=value["strategy"],
        mean=float(mean),
        spread=float(value["spread"]),
        start=start,
        end=end,
        decay=value["decay"],
        mean_alpha=0.0 if value["mean"] == "static" else alpha,
        spread_alpha=0.0 if value["variance"] == "static" else 2 * alpha,
        spread_measure=value["spread_measure"],
        method=value["method"],
        backward=value["backward"],
        backward_noise=value["backward_noise"],
        backward_spread=float(value["backward_spread"]),
        backward_start=backward[0],
        backward_end=backward[1],
        backward_alpha=float(value["backward_alpha"]),
    )
