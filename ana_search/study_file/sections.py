"""The sections of a study file but for ``[space]``: their keys, types, bounds and defaults."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from pydantic_core import PydanticCustomError

__all__ = [
    "Data",
    "Folds",
    "Network",
    "Objective",
    "Quantiser",
    "Resources",
    "Section",
    "Study",
    "Training",
]

Objective = Literal["val_accuracy", "weight_bits"]
Bits = Annotated[int, Field(strict=True, ge=1, le=8)] | Literal["ternary"]
Count = Annotated[StrictInt, Field(ge=1, le=1_000_000_000)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_STORAGES = ("sqlite:///", "postgresql://", "postgresql+", "mysql://", "mysql+", "journal:///")
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


def _name(value: Any) -> Any:
    """Accept only names that are safe as the name of a folder and in a URL."""
    import re

    if not isinstance(value, str) or not re.fullmatch(NAME_PATTERN, value):
        raise PydanticCustomError(
            "name", "letters, digits, '_', '-' and '.', at most 64 and the first a letter or digit"
        )
    return value


def _objectives(value: Any) -> Any:
    """Accept one objective or a list of them."""
    names = [value] if isinstance(value, str) else value
    allowed = (["val_accuracy"], ["val_accuracy", "weight_bits"])
    if names not in allowed and tuple(names if isinstance(names, tuple) else ()) not in map(tuple, allowed):
        raise PydanticCustomError("objective", '"val_accuracy", or ["val_accuracy", "weight_bits"] for a Pareto front')
    return tuple(names)


def _storage(value: Any) -> Any:
    """Accept a storage URL. Its message never shows the value, which may hold a password."""
    if not isinstance(value, str) or not value.startswith(_STORAGES):
        raise PydanticCustomError("secret", f"a URL that starts with {', '.join(_STORAGES)}")
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
    objective: Annotated[tuple[Objective, ...], BeforeValidator(_objectives)] = ("val_accuracy",)
    sampler: Literal["tpe", "random", "grid", "qmc", "nsga2"] = "tpe"
    trials: Count | None = None
    seeds: Annotated[StrictInt, Field(ge=1, le=10_000)] = 1
    pruner: Literal["none", "asha", "hyperband"] = "none"
    storage: Annotated[str, BeforeValidator(_storage)] | None = None
    seed: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)] = 0


class Folds(Section):
    """Cross-validation: fold ``fold`` of ``folds`` is the validation part; no ``fold``: all take turns."""

    folds: Annotated[StrictInt, Field(ge=2, le=1000)]
    fold: Annotated[StrictInt, Field(ge=0)] | None = None


def _validation(value: Any) -> Any:
    """Accept a fraction of the training images, or a table of folds."""
    rule = "a fraction above 0 and below 1, or {folds = N} or {folds = N, fold = K} with 0 <= K < N and N >= 2"
    if isinstance(value, Folds):
        return value
    if isinstance(value, dict):
        folds, fold = value.get("folds"), value.get("fold")
        whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (folds, 0 if fold is None else fold))
        if set(value) - {"folds", "fold"} or not whole or not 2 <= int(folds or 0) <= 1000:
            raise PydanticCustomError("validation", rule)
        if fold is not None and not 0 <= fold < int(folds or 0):
            raise PydanticCustomError("validation", rule)
        return value
    if isinstance(value, bool) or not isinstance(value, float) or not 0 < value < 1:
        raise PydanticCustomError("validation", rule)
    return value


class Data(Section):
    """``[data]``: which images, and their split."""

    name: StrictStr
    root: StrictStr | None = None
    train_size: Annotated[StrictInt, Field(ge=10, le=1_000_000_000)] | None = None
    validation: Annotated[float | Folds, BeforeValidator(_validation)] = 0.2
    augment: StrictBool = False


class Network(Section):
    """``[network]``: which network; ``width`` is the number of channels of its first map."""

    name: StrictStr
    width: Annotated[StrictInt, Field(ge=1, le=65_536)] | None = None


class Quantiser(Section):
    """``[quantiser]``: how many bits weights, activations and the network's input have."""

    weight_bits: Bits = "ternary"
    activation_bits: Bits = "ternary"
    input_bits: Literal[8, "float"] = 8


class Training(Section):
    """``[training]``: the optimiser's settings, with the defaults of `ana_search.plan.TrainingSettings`."""

    epochs: Annotated[StrictInt, Field(ge=1, le=1_000_000)]
    anneal: Annotated[Number, Field(gt=0, le=1)] = 0.8
    batch_size: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = 64
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Annotated[Number, Field(gt=0, le=1000)] = 3e-3
    weight_decay: Annotated[Number, Field(ge=0, le=1000)] = 0.0
    lr_drop: Annotated[Number, Field(ge=0, le=1)] = 0.1
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: StrictBool = False


class Resources(Section):
    """``[resources]``: trials at a time, and the CPUs and GPUs of one trial (fractions share one)."""

    workers: Annotated[StrictInt, Field(ge=1, le=100_000)] = 1
    cpus_per_trial: Annotated[float, BeforeValidator(_number_of_slots)] = 1
    gpus_per_trial: Annotated[float, BeforeValidator(_number_of_slots)] = 0
