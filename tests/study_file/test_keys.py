"""The keys of the study file and the registries below it must agree."""

import dataclasses

from ana_search.ana import LayerSchedule, decay_intervals, decay_powers
from ana_search.plan import TrainingSettings
from ana_search.space import CONDITIONS
from ana_search.study_file import SPACE_KEYS
from ana_search.study_file.sections import Quantiser, Training


def test_every_interval_and_power_law_exists() -> None:
    for name in ("interval", "backward_interval"):
        assert all(len(decay_intervals(word, layers=3)) == 3 for word in SPACE_KEYS[name].words)
    assert all(len(decay_powers(word, layers=3)) == 3 for word in SPACE_KEYS["power_law"].words)


def test_defaults_are_those_of_a_layer_schedule() -> None:
    schedule = LayerSchedule()
    for name in ("noise", "strategy", "spread", "shape", "method", "width", "backward", "backward_noise"):
        assert SPACE_KEYS[name].default == getattr(schedule, name)
    assert SPACE_KEYS["backward_spread"].default == schedule.backward_spread
    assert SPACE_KEYS["backward_alpha"].default == schedule.backward_alpha


def test_training_defaults_are_those_of_the_plan() -> None:
    for field in dataclasses.fields(TrainingSettings):
        if field.name != "epochs":
            assert Training.model_fields[field.name].default == field.default
    assert set(Training.model_fields) == {field.name for field in dataclasses.fields(TrainingSettings)}


def test_section_keys_exist_in_their_section() -> None:
    models = {"quantiser": Quantiser, "training": Training}
    for name, key in SPACE_KEYS.items():
        assert key.section == "space" or name in models[key.section].model_fields
        assert (key.default is None) == (key.section != "space")


def test_conditions_are_drawn_before_what_hangs_on_them() -> None:
    order = list(SPACE_KEYS)
    for name, (condition, _) in CONDITIONS.items():
        assert order.index(condition) < order.index(name)
