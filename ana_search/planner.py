"""From a study and one trial's parameters to the plan of a training run."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from fnmatch import fnmatchcase

from ana_search.ana.annealer import LayerSchedule, with_method
from ana_search.ana.methods import METHODS
from ana_search.ana.synchronise import decay_intervals, decay_powers, shift
from ana_search.errors import RequestError
from ana_search.plan import LayerPlan, Reference, TrainingPlan, TrainingSettings
from ana_search.space import layer_count, layer_values, names_of_layers, searched, trial_network
from ana_search.study_file import KEYS, StudySpec, key_of
from ana_search.study_file.keys import OF_LAYERS, RENAMED
from ana_search.study_file.parameters import Value
from ana_search.study_file.sections import Quantiser, data_plan

__all__ = ["DYNAMIC_MEAN", "make_plan"]

_COPIED = [
    name
    for name, key in KEYS.items()
    if key.section != "training" and key.sets == (name,) and name in {each.name for each in fields(LayerSchedule)}
]
"""The keys whose value a layer's schedule has as it is."""

DYNAMIC_MEAN = -0.5  # where a dynamic mean starts, in steps of the stair (the paper's experiments)


def make_plan(spec: StudySpec, params: Mapping[str, Value], seed: int) -> TrainingPlan:
    """Return the training plan of the study with the parameters ``params`` and the seed ``seed``.

    ``params`` are those of a trial (see `ana_search.space.suggest`); what they leave out has the value that
    the study file gives, or the default. Where folds take turns, the fold is ``seed`` modulo their number.
    Raises `RequestError` for a parameter that the study does not search, or a value that its key does not
    allow.
    """
    _check_params(spec, params, layer_count(spec))
    layers = layer_count(spec, params)
    values = {name: layer_values(spec, name, params, layers) for name in KEYS}
    plans = _with_ends(_layer_plans(values, layers), spec.quantiser)
    if spec.quantiser.layers:
        plans = _with_patterns(plans, names_of_layers(spec, params), spec.quantiser)
    settings = {name: values[name][0] for name, key in KEYS.items() if key.section == "training"}
    training = TrainingSettings(**spec.training.model_dump() | settings)
    return TrainingPlan(
        data=replace(data_plan(spec.data, spec.quantiser, seed), augment=str(values["augment"][0])),
        network=trial_network(spec, params),
        layers=plans,
        training=training,
        seed=seed,
        reference=_reference(spec) if "float" in (training.teacher, training.start) else None,
    )


def _reference(spec: StudySpec) -> Reference:
    """Return how the network in floating point is trained: as the sections say, whatever a trial varies."""
    training = replace(TrainingSettings(**spec.training.model_dump()), teacher="none", start="random")
    return Reference(training, spec.data.augment)


def _check_params(spec: StudySpec, params: Mapping[str, Value], layers: int) -> None:
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
        problem = key_of(allowed[full]).problem(value)
        if problem:
            raise RequestError(f"parameter {full}: {problem}")


def _layer_plans(values: Mapping[str, list[Value]], layers: int) -> tuple[LayerPlan, ...]:
    method = METHODS[str(values["method"][0])]
    intervals = decay_intervals(method.interval or str(values["interval"][0]), layers=layers)
    powers = decay_powers(str(values["power_law"][0]), layers=layers)
    backward = decay_intervals(str(values["backward_interval"][0]), layers=layers)
    plans = []
    for layer in range(layers):
        value = {name: column[layer] for name, column in values.items()}
        offset, further = float(value["offset"]), float(value["activation_offset"])
        schedules = [
            _schedule(value, shift(intervals[layer], by), powers[layer], backward[layer])
            for by in (offset, offset + further)
        ]
        own = {name: value[name] for name in OF_LAYERS}
        own |= {name: method.scale for name in ("weight_scale", "activation_scale") if own[name] == "auto"}
        plans.append(LayerPlan(**own, weights=schedules[0], activations=schedules[1]))  # type: ignore[arg-type]  # see `KEYS`
    return tuple(plans)


def _with_ends(layers: tuple[LayerPlan, ...], quantiser: Quantiser) -> tuple[LayerPlan, ...]:
    """Return the layers with the bits of the first and of the last map, where they have bits of their own."""
    found = list(layers)
    for at, bits in ((0, quantiser.first), (-1, quantiser.last)):
        if bits not in ("same", "float"):
            found[at] = replace(found[at], weight_bits=bits)  # type: ignore[arg-type]  # checked with the study file
    return tuple(found)


def _with_patterns(layers: tuple[LayerPlan, ...], names: Sequence[str], quantiser: Quantiser) -> tuple[LayerPlan, ...]:
    """Return the layers with what ``[quantiser.layers]`` says of their names."""
    found = []
    for layer, name in zip(layers, names, strict=True):
        own: dict[str, Value] = {}
        for pattern, given in quantiser.layers.items():
            own |= given if fnmatchcase(name, pattern) else {}
        kinds = ("weight_scale", "activation_scale")
        own |= {kind: METHODS[layer.weights.method].scale for kind in kinds if own.get(kind) == "auto"}
        found.append(replace(layer, **own))  # type: ignore[arg-type]  # checked with the study file
    return tuple(found)


def _schedule(
    value: Mapping[str, Value], interval: tuple[float, float], power: float, backward: tuple[float, float]
) -> LayerSchedule:
    """Return one layer's schedule; a static quantity has alpha 0, a dynamic spread twice the mean's alpha."""
    alpha = float(value["alpha"]) * power
    mean = {"static": 0.0, "dynamic": DYNAMIC_MEAN}.get(str(value["mean"]))
    copied = {name: KEYS[name].normal(value[name]) for name in _COPIED}
    schedule = LayerSchedule(
        mean=float(value["mean"]) if mean is None else mean,
        start=interval[0],
        end=interval[1],
        mean_alpha=0.0 if value["mean"] == "static" else alpha,
        spread_alpha=0.0 if value["variance"] == "static" else 2 * alpha,
        backward_start=backward[0],
        backward_end=backward[1],
        **copied,  # type: ignore[arg-type]  # the table of parameters holds names and types to the schedule's fields
    )
    return with_method(schedule)
