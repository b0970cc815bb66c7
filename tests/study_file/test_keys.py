"""The keys of the study file and the registries below it must agree."""

import dataclasses
from typing import Any

import pytest

from ana_search.ana import LayerSchedule, decay_intervals, decay_powers
from ana_search.plan import LayerPlan, TrainingPlan, TrainingSettings
from ana_search.planner import make_plan
from ana_search.study_file import GROUPS, KEYS, Fixed, Key, StudySpec, groups_of
from ana_search.study_file.sections import Data, Quantiser, Training
from tests.conftest import MakeStudy


def test_every_interval_and_power_law_exists() -> None:
    for name in ("interval", "backward_interval"):
        assert all(len(decay_intervals(word, layers=3)) == 3 for word in KEYS[name].words)
    assert all(len(decay_powers(word, layers=3)) == 3 for word in KEYS["power_law"].words)


def test_defaults_are_those_of_a_layer_schedule() -> None:
    schedule = LayerSchedule()
    for name in (
        "noise",
        "strategy",
        "spread",
        "decay",
        "refreshes",
        "mask",
        "spread_measure",
        "backward",
        "backward_noise",
    ):
        assert KEYS[name].default == getattr(schedule, name)
    assert Quantiser.model_fields["method"].default == schedule.method
    assert KEYS["backward_spread"].default == schedule.backward_spread
    assert KEYS["backward_alpha"].default == schedule.backward_alpha


def test_training_defaults_are_those_of_the_plan() -> None:
    for field in dataclasses.fields(TrainingSettings):
        if field.name != "epochs":
            assert Training.model_fields[field.name].default == field.default
    assert set(Training.model_fields) == {field.name for field in dataclasses.fields(TrainingSettings)}


def test_section_keys_exist_in_their_section() -> None:
    models = {"quantiser": Quantiser, "data": Data, "training": Training}
    for name, key in KEYS.items():
        assert key.section == "space" or name in models[key.section].model_fields
        assert (key.default is None) == (key.section != "space")


def test_conditions_are_drawn_before_what_hangs_on_them() -> None:
    order = list(KEYS)
    for name, key in KEYS.items():
        assert key.exists is None or order.index(key.exists.key) < order.index(name)


def test_a_key_in_no_group_cannot_exist() -> None:
    with pytest.raises(ValueError, match="allowed: synchronisation, shape"):
        Key("other", "something", ("noise",))  # type: ignore[arg-type]  # what mypy would refuse already
    assert {key.group for key in KEYS.values()} == set(GROUPS)
    grouped = groups_of([*KEYS, "noise.3", "weight_bits.0"])
    assert sorted(name for members in grouped.values() for name in members) == sorted(
        [*KEYS, "noise.3", "weight_bits.0"]
    )
    assert grouped["quantiser"] == [
        *("method", "weight_bits", "activation_bits", "weight_scale", "activation_scale", "scale_per", "weight_bits.0")
    ]
    assert {"backward_interval"} <= set(grouped["synchronisation"])
    assert {"backward_alpha"} <= set(grouped["schedule"])
    with pytest.raises(KeyError, match="precision"):
        groups_of(["noise", "precision"])


BASE = """\
mean = "dynamic"
backward = "annealed"
power_law = "progressive"
interval = "partition"
average = "ema"
teacher = "float"
method = "freezing"
"""
OTHER = {
    "mean": "static", "decay": "cosine", "interval": "same_end", "power_law": "regressive", "backward": "static",
    "backward_interval": "partition", "offset": 0.25, "activation_offset": 0.1, "optimiser": "sgd", "weight_bits": 4,
    "activation_bits": 3, "batch_size": 7, "epochs": 3, "average": "none", "teacher": "none", "clip": 2.0,
    "method": "noise", "weight_scale": "learned", "activation_scale": "power_of_two",
}  # fmt: skip


def _set(plan: TrainingPlan) -> dict[str, list[object]]:
    """Return the values of every field of a plan that a key of the space may set."""
    found: dict[str, list[object]] = {
        field.name: [getattr(plan.training, field.name)] for field in dataclasses.fields(TrainingSettings)
    }
    found["augment"] = [plan.data.augment]
    for field in dataclasses.fields(LayerSchedule):
        ofs = (layer.weights for layer in plan.layers), (layer.activations for layer in plan.layers)
        own = [getattr(schedule, field.name) for schedules in ofs for schedule in schedules]
        found[field.name] = found.get(field.name, []) + own  # `start` is of the schedules and of the weights
    for name in ("weight_bits", "activation_bits", "weight_scale", "activation_scale", "scale_per"):
        assert name in {field.name for field in dataclasses.fields(LayerPlan)}
        found[name] = [getattr(layer, name) for layer in plan.layers]
    return found


@pytest.mark.parametrize("name", KEYS)
def test_a_key_sets_the_fields_that_its_row_names_and_no_others(name: str, make_study: MakeStudy) -> None:
    key = KEYS[name]
    lines = [line for line in BASE.splitlines() if not line.startswith(f"{name} =")]
    plain = make_study("\n".join(lines))
    before = _set(make_plan(make_study(BASE), {}, 0))
    default = key.default if key.default is not None else getattr(getattr(plain, key.section), name)
    others = [word for word in key.words if word != default] or [key.high]
    value = OTHER.get(name, others[0])
    spec = plain.model_copy(update={"space": plain.space.model_copy(update={"parameters": _with(plain, name, value)})})
    after = _set(make_plan(spec, {}, 0))
    assert {field for field in before if before[field] != after[field]} == set(key.sets)


def _with(spec: StudySpec, name: str, value: Any) -> dict[str, Any]:
    return spec.space.parameters | {name: Fixed(value)}
