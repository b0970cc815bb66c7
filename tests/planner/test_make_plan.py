import subprocess
import sys

import pytest

from ana_search.errors import RequestError
from ana_search.plan import TrainingPlan
from ana_search.planner import make_plan
from ana_search.study_file import StudySpec
from tests.conftest import MakeStudy

LAYERS = 5  # of the digits network


def test_the_defaults_are_plain_annealing(make_study: MakeStudy) -> None:
    plan = make_plan(make_study('noise = ["uniform", "normal"]'), {"noise": "normal"}, 7)
    assert len(plan.layers) == LAYERS
    assert plan.seed == 7
    for layer in plan.layers:
        schedule = layer.weights
        assert (layer.weight_bits, layer.activation_bits) == ("ternary", "ternary")
        assert layer.activations == schedule
        assert (schedule.noise, schedule.strategy, schedule.decay) == ("normal", "expectation", "power")
        assert (schedule.mean, schedule.mean_alpha) == (0.0, 0.0)
        assert (schedule.spread, schedule.spread_alpha) == (0.5, 2.0)
        assert (schedule.start, schedule.end) == (0.0, 1.0)
        assert (schedule.backward, schedule.spread_measure, schedule.method) == ("same", "interval", "noise")
    assert TrainingPlan.from_json(plan.to_json()) == plan


def test_means_and_variances(make_study: MakeStudy) -> None:
    spec = make_study(
        'mean = ["static", "dynamic", -0.2]\nvariance = ["static", "dynamic"]\nalpha = 1.5\n'
        'power_law = "progressive"\ninterval = "partition"\nspread = 0.4'
    )
    for mean, start in (("static", 0.0), ("dynamic", -0.5), (-0.2, -0.2)):
        for variance in ("static", "dynamic"):
            plan = make_plan(spec, {"mean": mean, "variance": variance}, 0)
            for number, layer in enumerate(plan.layers):
                alpha = 1.5 * (LAYERS - number)
                schedule = layer.weights
                assert (schedule.mean, schedule.spread) == (start, 0.4)
                assert schedule.mean_alpha == (0.0 if mean == "static" else alpha)
                assert schedule.spread_alpha == (0.0 if variance == "static" else 2 * alpha)
                assert schedule.start == pytest.approx(number / LAYERS)
                assert schedule.end == pytest.approx((number + 1) / LAYERS)


def test_offsets_shift_layers_and_activations(make_study: MakeStudy) -> None:
    spec = make_study(
        'interval = "partition"\noffset = { low = -1.0, high = 1.0, scope = "layer" }\nactivation_offset = [0.0, 0.1]'
    )
    offsets = [-0.1, 0.05, 0.0, 0.9, 0.3]
    params = {f"offset.{layer}": offset for layer, offset in enumerate(offsets)} | {"activation_offset": 0.1}
    plan = make_plan(spec, params, 0)
    pairs = [(layer.weights.start, layer.weights.end) for layer in plan.layers]
    assert pairs[0] == pytest.approx((0.0, 0.1))
    assert pairs[1] == pytest.approx((0.25, 0.45))
    assert pairs[2] == pytest.approx((0.4, 0.6))
    for layer in plan.layers:
        for schedule in (layer.weights, layer.activations):
            assert 0.0 <= schedule.start < schedule.end <= 1.0
    assert plan.layers[1].activations.start == pytest.approx(0.35)
    assert plan.layers[2].activations.end == pytest.approx(0.7)


def test_backward_noise(make_study: MakeStudy) -> None:
    spec = make_study(
        """\
        backward = ["same", "static", "annealed"]
        backward_noise = "triangular"
        backward_spread = [0.5, 1.0]
        backward_interval = ["overlapped", "partition"]
        backward_alpha = 2
        """
    )
    assert make_plan(spec, {"backward": "same"}, 0).layers[0].weights.backward == "same"
    params = {"backward": "annealed", "backward_spread": 1.0, "backward_interval": "partition"}
    schedule = make_plan(spec, params, 0).layers[1].activations
    assert (schedule.backward, schedule.backward_noise, schedule.backward_spread) == (
        "annealed",
        "triangular",
        1.0,
    )
    assert (schedule.backward_start, schedule.backward_end) == pytest.approx((0.2, 0.4))
    assert schedule.backward_alpha == 2.0
    assert (schedule.start, schedule.end) == (0.0, 1.0)


def test_bits_and_training_numbers(make_study: MakeStudy) -> None:
    spec = make_study(
        """\
        weight_bits = { choices = ["ternary", 2, 8], scope = "layer" }
        activation_bits = { layers = ["ternary", 2, 3, 4, 8] }
        learning_rate = { low = 1e-4, high = 1e-2, log = true }
        epochs = [2, 4]
        weight_decay = 1e-4
        """
    )
    bits = ["ternary", 2, 8, 2, "ternary"]
    params = {f"weight_bits.{layer}": one for layer, one in enumerate(bits)} | {
        "learning_rate": 5e-3,
        "epochs": 4,
    }
    plan = make_plan(spec, params, 0)
    assert [layer.weight_bits for layer in plan.layers] == bits
    assert [layer.activation_bits for layer in plan.layers] == ["ternary", 2, 3, 4, 8]
    assert (plan.training.learning_rate, plan.training.epochs, plan.training.weight_decay) == (5e-3, 4, 1e-4)


def test_a_plan_is_the_same_for_the_same_study_parameters_and_seed(make_study: MakeStudy) -> None:
    spec = make_study('noise = ["uniform", "normal"]\nalpha = [1, 2]')
    plans = [make_plan(spec, {"noise": "normal", "alpha": alpha}, 3) for alpha in (1, 1.0, 2.0)]
    assert plans[0].hash == plans[1].hash != plans[2].hash


@pytest.mark.parametrize("params", [{"noize": "normal"}, {"noise": "cauchy"}, {"noise.0": "normal"}, {"alpha": 1.0}])
def test_wrong_parameters(params: dict[str, object], make_study: MakeStudy) -> None:
    with pytest.raises(RequestError, match=next(iter(params))):
        make_plan(make_study('noise = ["uniform", "normal"]'), params, 0)


def test_planning_loads_neither_optuna_nor_ray() -> None:
    code = "import sys, ana_search; ana_search.make_plan; print({'optuna', 'ray'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "set()"


def test_old_names_are_refused_with_the_new_ones(make_study: MakeStudy) -> None:
    spec = make_study('decay = ["power", "cosine"]')
    with pytest.raises(RequestError, match="'shape' is called 'decay' now"):
        make_plan(spec, {"shape": "cosine"}, 0)
    with pytest.raises(ValueError, match="'shape' is called 'decay' now"):
        StudySpec.from_json(spec.to_json().replace('"decay"', '"shape"'))
    with pytest.raises(ValueError, match="unknown parameter 'colour'"):
        StudySpec.from_json(spec.to_json().replace('"decay"', '"colour"'))


def test_a_recipe_is_searched_like_any_other_key(make_study: MakeStudy) -> None:
    spec = make_study(
        'schedule = ["drop", "cosine"]\nwarmup = {low = 0.0, high = 0.2}\nlr_drop = [0.1, 0.3]\n'
        'augment = ["none", "crop+flip", "crop+mixup"]\naverage = ["none", "ema"]\naverage_span = [0.01, 0.1]\n'
        'recalibrate = ["none", "batch_norm"]\nclip = ["none", 1.0]\nlabel_smoothing = [0.0, 0.1]'
    )
    params: dict[str, str | float | int] = {
        "schedule": "cosine", "warmup": 0.1, "augment": "crop+mixup", "average": "ema", "average_span": 0.1,
        "recalibrate": "batch_norm", "clip": 1.0, "label_smoothing": 0.1,
    }  # fmt: skip
    plan = make_plan(spec, params, 0)
    assert plan.data.augment == "crop+mixup"
    for name in set(params) - {"augment"}:
        assert getattr(plan.training, name) == params[name]
    assert plan.training.lr_drop == 0.1  # a cosine has none: the default stands
    assert plan.reference is None
    assert plan.data.loaded == make_plan(spec, {}, 0).data.loaded


def test_a_teacher_is_trained_as_the_section_says_whatever_a_trial_varies(make_study: MakeStudy) -> None:
    spec = make_study(
        'teacher = ["none", "float"]\nlearning_rate = [0.001, 0.01]\ntemperature = [1.0, 2.0]\n'
        'augment = ["none", "crop"]'
    )
    plain = make_plan(spec, {"teacher": "none", "learning_rate": 0.01}, 3)
    taught = [
        make_plan(spec, {"teacher": "float", "learning_rate": rate, "temperature": 2.0, "augment": changes}, 3)
        for rate, changes in ((0.001, "none"), (0.01, "crop"))
    ]
    assert plain.float_plan is None
    assert taught[0].float_plan == taught[1].float_plan
    wanted = taught[0].float_plan
    assert wanted is not None
    assert (wanted.layers, wanted.seed, wanted.training.learning_rate) == ((), 3, spec.training.learning_rate)
    assert (wanted.training.teacher, wanted.reference) == ("none", None)
    assert TrainingPlan.from_json(taught[0].to_json()) == taught[0]
