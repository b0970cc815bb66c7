"""Layers with bits and scales of their own, by place and by name."""

from pathlib import Path

import pytest

from ana_search.errors import StudyFileError
from ana_search.plan import TrainingPlan
from ana_search.planner import make_plan
from ana_search.space import names_of_layers
from ana_search.study_file import load_study_file
from tests.study_file.texts import study_text


def plan_of(folder: Path, quantiser: str, space: str = "") -> TrainingPlan:
    """Return the plan of a study's first learning rate."""
    path = folder / "mine.toml"
    path.write_text(study_text(quantiser=f'method = "lsq"\n{quantiser}', space=space))
    spec = load_study_file(path)
    assert len(names_of_layers(spec)) == len(make_plan(spec, {"learning_rate": 1e-3}, 0).layers)
    return make_plan(spec, {"learning_rate": 1e-3}, 0)


def test_ends(tmp_path: Path) -> None:
    """The classifier becomes a layer where it is quantised; the first map is none where it is not."""
    assert [each.weight_bits for each in plan_of(tmp_path, "first = 8\nlast = 4").layers] == [8, *["ternary"] * 4, 4]
    plan = plan_of(tmp_path, 'first = "float"\nlast = "same"')
    assert len(plan.layers) == 5
    assert (plan.network.keep_first, plan.network.keep_last) == (True, False)


def test_patterns(tmp_path: Path) -> None:
    """The last pattern that fits decides; names are those of the network's maps."""
    quantiser = '[quantiser.layers]\n"*" = {activation_bits = 3}\n"1?" = {weight_bits = 8, weight_scale = "auto"}'
    layers = plan_of(tmp_path, quantiser).layers
    assert {each.activation_bits for each in layers} == {3}
    assert [each.weight_bits for each in layers] == [*["ternary"] * 3, 8, 8]  # maps 0, 3, 7, 10 and 15
    assert {each.weight_scale for each in layers} == {"learned"}


@pytest.mark.parametrize(
    ("quantiser", "message"),
    [
        ('[quantiser.layers]\n"conv*" = {weight_bits = 8}', "no layer is called 'conv.'; allowed: a pattern that"),
        (
            '[quantiser.layers]\n"0" = {weight_bits = 9}',
            "a table for each pattern .* got 9; allowed: ternary",
        ),
        ('[quantiser.layers]\n"0" = {bits = 8}', "a table for each pattern of names"),
        ("layers = 3", "a table for each pattern of names"),
        (
            "first = 9",
            "quantiser.first: got 9; allowed: 'same' as the other layers, 'float'",
        ),
        ('signed = "no"', "quantiser.signed: got 'no'"),
    ],
)
def test_mistakes_are_named(quantiser: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=message):
        plan_of(tmp_path, quantiser)


def test_what_is_fixed_is_not_searched(tmp_path: Path) -> None:
    bits = 'weight_bits = {choices = [2, 4], scope = "layer"}'
    with pytest.raises(StudyFileError, match=r"quantiser.first: fixes weight_bits in a layer whose own value"):
        plan_of(tmp_path, "first = 8", bits)


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ('noise = "normal"', "method 'noise' or 'freezing'"),
        ("alpha = 2.0", "method 'noise' or 'freezing'"),  # hangs on the decay, which hangs on the method
        ('backward_noise = "normal"', "method 'noise' or 'freezing'"),
        ("refreshes = 3.0", "method 'freezing'"),
    ],
)
def test_keys_of_the_noise_have_no_effect_under_an_estimator(key: str, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=f"has no effect in this study; allowed: only with {wanted}"):
        plan_of(tmp_path, "", key)
