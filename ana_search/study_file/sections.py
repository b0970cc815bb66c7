"""The sections of a study file but for ``[space]``: their keys, types, bounds and defaults.

What a key that may be searched can hold is in the table of parameters; here it has its default.
"""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from pydantic_core import PydanticCustomError

from ana_search.objectives import ACCURACY, OBJECTIVES, Constraint, parse_constraint
from ana_search.plan import Coding, Crop, DataPlan, NetworkPlan, TrainingSettings
from ana_search.study_file.keys import KEYS, NETWORK_PREFIX, OF_LAYERS, is_argument
from ana_search.study_file.parameters import Choice, Parameter, Range, Value
from ana_search.url_checks import path_problem, storage_problem

__all__ = [
    "WEIGHTS_SUFFIXES",
    "Data",
    "Folds",
    "Network",
    "Quantiser",
    "Resources",
    "Section",
    "Study",
    "Training",
    "data_plan",
    "network_plan",
]

Count = Annotated[StrictInt, Field(ge=1, le=1_000_000_000)]
WEIGHTS_SUFFIXES = (".pt", ".pth", ".safetensors")
_WEIGHTS = f"a file of weights ({', '.join(WEIGHTS_SUFFIXES)})"
_LARGEST_SIDE = 4096  # pixels, as of an image that is decoded
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


def _name(value: Any) -> Any:
    """Accept only names that are safe as the name of a folder and in a URL."""
    if not isinstance(value, str) or not re.fullmatch(NAME_PATTERN, value):
        raise PydanticCustomError(
            "name", "letters, digits, '_', '-' and '.', at most 64 and the first a letter or digit"
        )
    return value


def _objectives(value: Any) -> Any:
    """Accept one objective or a list of them, the accuracy first."""
    names = [value] if isinstance(value, str) else value
    others = [name for name in OBJECTIVES if name != ACCURACY]
    right = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    if not right or list(names[:1]) != [ACCURACY] or len(set(names)) < len(names) or set(names[1:]) - set(others):
        rule = f'"{ACCURACY}", or for a Pareto front a list of it and, each once, some of {", ".join(others)}'
        raise PydanticCustomError("objective", "{allowed}", {"allowed": rule})
    return tuple(names)


def _constraint(value: Any) -> Any:
    """Accept a constraint, and write it in one way."""
    try:
        return str(parse_constraint(value))
    except ValueError as error:
        raise PydanticCustomError("constraint", "{allowed}", {"allowed": str(error)}) from None


def _parameter(name: str) -> BeforeValidator:
    """Return the check that a key of the table of parameters makes of its value."""

    def check(value: Any) -> Any:
        if KEYS[name].problem(value):
            raise PydanticCustomError("parameter", "{allowed}", {"allowed": KEYS[name].allowed()})
        return KEYS[name].normal(value)

    return BeforeValidator(check)


def _storage(value: Any) -> Any:
    """Accept a storage URL. Its message never shows the value, which may hold a password."""
    problem = storage_problem(value)
    if problem:
        raise PydanticCustomError("secret", "{allowed}", {"allowed": problem})
    return value


def _path(value: Any) -> Any:
    """Accept a path that an operating system can have, whether or not there is anything."""
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "a text in quotes")
    problem = path_problem(value)
    if problem:
        raise PydanticCustomError("path", "{allowed}", {"allowed": problem})
    return value


def _start(value: Any) -> Any:
    """Accept what the table of parameters does, or the path of a file of weights."""
    if isinstance(value, str) and value.endswith(WEIGHTS_SUFFIXES):
        return _path(value)
    if KEYS["start"].problem(value):
        raise PydanticCustomError("parameter", "{allowed}", {"allowed": f"{KEYS['start'].allowed()}, or {_WEIGHTS}"})
    return value


def _number_of_slots(value: Any) -> Any:
    """Accept a whole number of CPUs or GPUs, or a fraction of one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1024:
        raise PydanticCustomError("slots", "a number from 0 to 1024, whole when above 1")
    if value > 1 and value != int(value):
        raise PydanticCustomError("slots", "a number from 0 to 1024, whole when above 1")
    return value


class Section(BaseModel):
    """A section: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Study(Section):
    """``[study]``: what is asked, and how the trials are drawn."""

    name: Annotated[str, BeforeValidator(_name)]
    objective: Annotated[tuple[str, ...], BeforeValidator(_objectives)] = (ACCURACY,)
    constraints: tuple[Annotated[str, BeforeValidator(_constraint)], ...] = ()
    sampler: Literal["tpe", "random", "grid", "qmc", "nsga2", "pick_freeze"] = "tpe"
    trials: Count | None = None
    seeds: Annotated[StrictInt, Field(ge=1, le=10_000)] = 1
    pruner: Literal["none", "asha", "hyperband"] = "none"
    storage: Annotated[str, BeforeValidator(_storage)] | None = None
    seed: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)] = 0
    logger: Literal["tensorboard", "mlflow", "wandb"] | None = None
    export: StrictBool = True

    @property
    def limits(self) -> tuple[Constraint, ...]:
        """The constraints."""
        return tuple(map(parse_constraint, self.constraints))

    @property
    def wanted(self) -> tuple[str, ...]:
        """The objectives, and what only the constraints name, each once."""
        return tuple(dict.fromkeys([*self.objective, *(one.objective for one in self.limits)]))


class Folds(Section):
    """Cross-validation: fold ``fold`` of ``folds`` is the validation part; no ``fold``: all take turns.

    ``stratified`` folds hold every class in proportion; others are those of a plain permutation.
    """

    folds: Annotated[StrictInt, Field(ge=2, le=1000)]
    fold: Annotated[StrictInt, Field(ge=0)] | None = None
    stratified: StrictBool = True


def _validation(value: Any) -> Any:
    """Accept a fraction of the training images, or a table of folds."""
    rule = (
        "a fraction above 0 and below 1, or {folds = N} or {folds = N, fold = K} with 0 <= K < N and N >= 2, "
        "either with stratified = false for folds by a plain permutation"
    )
    if isinstance(value, Folds):
        return value
    if isinstance(value, dict):
        folds, fold = value.get("folds"), value.get("fold")
        whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (folds, 0 if fold is None else fold))
        if set(value) - {"folds", "fold", "stratified"} or not whole or not 2 <= int(folds or 0) <= 1000:
            raise PydanticCustomError("validation", rule)
        if fold is not None and not 0 <= fold < int(folds or 0):
            raise PydanticCustomError("validation", rule)
        if not isinstance(value.get("stratified", True), bool):
            raise PydanticCustomError("validation", rule)
        return value
    if isinstance(value, bool) or not isinstance(value, float) or not 0 < value < 1:
        raise PydanticCustomError("validation", rule)
    return value


def _size(value: Any) -> Any:
    """Accept the side of a square in pixels, or [height, width]."""
    sides = [value, value] if isinstance(value, int) else value
    if (
        not isinstance(sides, list | tuple)
        or len(sides) != 2
        or any(isinstance(side, bool) or not isinstance(side, int) or not 1 <= side <= _LARGEST_SIDE for side in sides)
    ):
        rule = f"the side of a square in pixels, or [height, width], each from 1 to {_LARGEST_SIDE}"
        raise PydanticCustomError("size", "{allowed}", {"allowed": rule})
    return tuple(sides)


def _augment(value: Any) -> Any:
    """Accept what the table of parameters does, a list of its words, ``true`` (crops and flips) and ``false``."""
    if isinstance(value, bool):
        return "crop+flip" if value else "none"
    text = "+".join(map(str, value)) or "none" if isinstance(value, list) else value
    if KEYS["augment"].problem(text):
        raise PydanticCustomError("parameter", "{allowed}", {"allowed": f"true, false, {KEYS['augment'].allowed()}"})
    return text


class Data(Section):
    """``[data]``: which images, their split and form, and how training changes and normalises them."""

    name: StrictStr
    root: Annotated[str, BeforeValidator(_path)] | None = None
    train_size: Annotated[StrictInt, Field(ge=10, le=1_000_000_000)] | None = None
    validation: Annotated[float | Folds, BeforeValidator(_validation)] = DataPlan.validation
    augment: Annotated[str, BeforeValidator(_augment)] = DataPlan.augment
    padding: Literal["reflect", "zeros"] = DataPlan.padding
    normalise: Literal["channels", "pooled"] = DataPlan.normalise
    size: Annotated[tuple[int, int], BeforeValidator(_size)] | None = None
    crop: Crop = DataPlan.crop
    channels: Literal[1, 3] | None = None


def data_plan(data: Data, quantiser: "Quantiser | None" = None, seed: int = 0) -> DataPlan:
    """Return what a plan holds of ``[data]``; where folds take turns, it is fold ``seed`` modulo their number."""
    folds, fold, stratified, validation = None, None, True, DataPlan.validation
    if isinstance(data.validation, Folds):
        folds, stratified = data.validation.folds, data.validation.stratified
        fold = seed % folds if data.validation.fold is None else data.validation.fold
    else:
        validation = data.validation
    quantiser = quantiser or Quantiser()
    return DataPlan(
        name=data.name,
        root=data.root,
        train_size=data.train_size,
        validation=validation,
        folds=folds,
        fold=fold,
        stratified=stratified,
        augment=data.augment,
        padding=data.padding,
        normalise=data.normalise,
        size=data.size,
        crop=data.crop,
        channels=data.channels,
        input_bits=quantiser.input_bits,
        input_coding=quantiser.input_coding,
    )


class Network(Section):
    """``[network]``: which network; ``width`` is the number of channels of its first map.

    Further keys are arguments of the network's function, which says in `network_plan` what it takes.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    name: StrictStr
    width: Annotated[StrictInt, Field(ge=1, le=65_536)] | None = NetworkPlan.width
    classifier: Literal["uniform", "normal"] = NetworkPlan.classifier

    @property
    def arguments(self) -> dict[str, object]:
        """The keys that are arguments of the network's function."""
        return dict(self.__pydantic_extra__ or {})


def network_plan(
    network: Network,
    space: Mapping[str, Parameter] | None = None,
    params: Mapping[str, Value] | None = None,
    quantiser: "Quantiser | None" = None,
) -> NetworkPlan:
    """Return what a plan holds of ``[network]``, and which ends of it stay in floating point.

    Searched arguments of the network's function (in ``space``) have the value that a trial's ``params`` give, or the
    first of their values.
    """
    arguments: dict[str, Any] = dict(network.arguments)
    for name, parameter in (space or {}).items():
        if is_argument(name) and isinstance(parameter, Choice | Range):
            first = parameter.choices[0] if isinstance(parameter, Choice) else parameter.low
            arguments[name.removeprefix(NETWORK_PREFIX)] = (params or {}).get(name, first)
    width = arguments.pop("width", network.width)
    ends = quantiser or Quantiser()
    return NetworkPlan(
        name=network.name,
        width=width,
        classifier=network.classifier,
        arguments=tuple(sorted(arguments.items())),
        keep_first=ends.first == "float",
        keep_last=ends.last == "float",
        signed=None if ends.signed == "auto" else ends.signed,
    )


def _end(value: Any) -> Any:
    """Accept what the first or the last map may be."""
    if value in ("same", "float") or (KEYS["weight_bits"].problem(value) is None and not isinstance(value, bool)):
        return value
    rule = f"'same' as the other layers, 'float', {KEYS['weight_bits'].allowed()}"
    raise PydanticCustomError("parameter", "{allowed}", {"allowed": rule})


def _layers(value: Any) -> Any:
    """Accept a table of patterns of names, each with a table of keys of a layer."""
    for pattern, given in value.items() if isinstance(value, dict) else [("", None)]:
        problems: list[str] = []
        if isinstance(given, dict) and given and set(given) <= set(OF_LAYERS):
            found = {key: KEYS[key].problem(one) for key, one in given.items()}
            problems = [f"{key} {problem}" for key, problem in found.items() if problem]
            if not problems:
                continue
        rule = f'a table for each pattern of names ("features.*"), with one or more of {", ".join(OF_LAYERS)}'
        where = f" (in {pattern!r}: {'; '.join(problems)})" if problems else ""
        raise PydanticCustomError("parameter", "{allowed}", {"allowed": rule + where})
    return value


class Quantiser(Section):
    """``[quantiser]``: levels, scales and method of weights and activations, and what the ends of the network are.

    ``first`` and ``last`` say what becomes of the first and of the last map: weights like those of the other layers,
    of so many bits, or floating-point ones. ``signed`` overrides whether activations have negative levels. ``layers``
    holds keys of layers by patterns of their maps' names (as of a shell: ``*``, ``?``), of which the last that fits
    decides.
    """

    method: Annotated[str, _parameter("method")] = "noise"
    weight_bits: Annotated[int | Literal["ternary"], _parameter("weight_bits")] = "ternary"
    activation_bits: Annotated[int | Literal["ternary"], _parameter("activation_bits")] = "ternary"
    weight_scale: Annotated[Literal["auto", "fixed", "power_of_two", "learned"], _parameter("weight_scale")] = "auto"
    activation_scale: Annotated[Literal["auto", "fixed", "power_of_two", "learned"], _parameter("activation_scale")] = (
        "auto"
    )
    signed: StrictBool | Literal["auto"] = "auto"
    scale_per: Annotated[Literal["tensor", "channel"], _parameter("scale_per")] = "tensor"
    first: Annotated[int | str, BeforeValidator(_end)] = "same"
    last: Annotated[int | str, BeforeValidator(_end)] = "float"
    layers: Annotated[dict[str, dict[str, int | str]], BeforeValidator(_layers)] = {}
    input_bits: Literal[8, "float"] = DataPlan.input_bits
    input_coding: Coding | None = DataPlan.input_coding


class Training(Section):
    """``[training]``: the optimiser's settings, with the defaults of the plan's settings."""

    epochs: Annotated[int, _parameter("epochs")]
    anneal: Annotated[float, _parameter("anneal")] = TrainingSettings.anneal
    batch_size: Annotated[int, _parameter("batch_size")] = TrainingSettings.batch_size
    last_batch: Literal["drop", "keep"] = TrainingSettings.last_batch
    optimiser: Annotated[Literal["adam", "adamw", "sgd"], _parameter("optimiser")] = TrainingSettings.optimiser
    learning_rate: Annotated[float, _parameter("learning_rate")] = TrainingSettings.learning_rate
    weight_decay: Annotated[float, _parameter("weight_decay")] = TrainingSettings.weight_decay
    weight_decay_of: Annotated[Literal["all", "weights"], _parameter("weight_decay_of")] = (
        TrainingSettings.weight_decay_of
    )
    schedule: Annotated[Literal["drop", "cosine", "one_cycle"], _parameter("schedule")] = TrainingSettings.schedule
    lr_drop: Annotated[float, _parameter("lr_drop")] = TrainingSettings.lr_drop
    warmup: Annotated[float, _parameter("warmup")] = TrainingSettings.warmup
    label_smoothing: Annotated[float, _parameter("label_smoothing")] = TrainingSettings.label_smoothing
    clip: Annotated[float | Literal["none"], _parameter("clip")] = TrainingSettings.clip
    average: Annotated[Literal["none", "ema"], _parameter("average")] = TrainingSettings.average
    average_span: Annotated[float, _parameter("average_span")] = TrainingSettings.average_span
    recalibrate: Annotated[Literal["none", "batch_norm"], _parameter("recalibrate")] = TrainingSettings.recalibrate
    teacher: Annotated[Literal["none", "float"], _parameter("teacher")] = TrainingSettings.teacher
    distillation: Annotated[float, _parameter("distillation")] = TrainingSettings.distillation
    temperature: Annotated[float, _parameter("temperature")] = TrainingSettings.temperature
    start: Annotated[str, BeforeValidator(_start)] = TrainingSettings.start
    precision: Literal["float32", "bfloat16"] = TrainingSettings.precision
    compile: StrictBool = TrainingSettings.compile


class Resources(Section):
    """``[resources]``: trials at a time, and the CPUs and GPUs of one trial (fractions share one)."""

    workers: Annotated[StrictInt, Field(ge=1, le=100_000)] = 1
    cpus_per_trial: Annotated[float, BeforeValidator(_number_of_slots)] = 1
    gpus_per_trial: Annotated[float, BeforeValidator(_number_of_slots)] = 0

    @property
    def threads(self) -> int:
        """The CPU threads that a trial trains with: they decide its last bits, so that nothing else does."""
        return max(1, math.floor(self.cpus_per_trial))
