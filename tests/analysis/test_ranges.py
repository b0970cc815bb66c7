"""Scales, conditions and the sampler: named by the study or the caller, guessed from the sample otherwise."""

import numpy as np
import optuna
import pandas as pd
import pytest

from ana_search.errors import FrameError
from ana_search.space import describe_space, suggest
from ana_search.study_file import StudySpec
from analysis import attribute
from analysis.contrasts import basis_blocks
from analysis.sample import make_sample
from analysis.uniformity import uniformity_p_values
from tests.conftest import MakeStudy

GROUPS = {
    "synchronisation": ["interval"],
    "shape": ["noise"],
    "schedule": ["decay", "alpha", "kind", "deep"],
    "training": ["learning_rate", "batch_size", "width"],
}


def nested_frame(trials: int = 240, seed: int = 1) -> pd.DataFrame:
    """A decade of a logarithm, a linear factor of 100, and what exists under a level, two levels deep."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "interval": rng.choice(list("abcd"), trials),
            "noise": rng.choice(list("xyz"), trials),
            "learning_rate": 10 ** rng.uniform(-3, -2, trials),
            "width": rng.uniform(1, 100, trials),
            "batch_size": np.round(np.exp(rng.uniform(np.log(15.5), np.log(256.5), trials))).astype(int),
            "decay": rng.choice(["power", "linear", "cosine"], trials),
            "seed": np.arange(trials),
        }
    )
    power = frame["decay"] == "power"
    frame["alpha"] = np.where(power, rng.uniform(0.5, 3.0, trials), np.nan)
    frame["kind"] = np.where(power, rng.choice(list("pq"), trials), None)
    frame["deep"] = np.where(power & (frame["kind"] == "p"), rng.uniform(0, 1, trials), np.nan)
    frame["value"] = 0.8 + 0.05 * (frame["alpha"].fillna(1.75) - 1.75) / (2.5 / 12**0.5)
    frame["value"] += frame["interval"].map({"a": -0.03, "b": -0.01, "c": 0.01, "d": 0.03})
    frame["value"] += rng.normal(0, 0.02, trials)
    return frame


NAMED = {
    "ranges": {
        "learning_rate": ("log", 1e-3, 1e-2),
        "width": ("linear", 1, 100),
        "batch_size": ("log", 16, 256, 1),
        "alpha": ("linear", 0.5, 3.0),
        "deep": ("linear", 0, 1),
    },
    "conditions": {"alpha": ("decay", ["power"]), "kind": ("decay", ["power"]), "deep": ("kind", ["p"])},
    "sampler": "random",
}


@pytest.mark.parametrize("named", [{}, NAMED], ids=["guessed", "named"])
def test_even_draws_on_any_scale_and_under_conditions_are_uniform(named):
    found = attribute(nested_frame(), GROUPS, draws=300, details=False, **named)
    assert "not_uniform" not in found.reasons
    assert {f.name: f.scale.log for f in found.sample.factors if f.scale} == {
        "learning_rate": True, "width": False, "batch_size": True, "alpha": False, "deep": False,
    }  # fmt: skip
    by_name = {f.name: f for f in found.sample.factors}
    assert by_name["deep"].nest.ancestors == {"decay", "kind"}
    assert by_name["deep"].probability == pytest.approx(1 / 6)
    assert by_name["kind"].levels == tuple(sorted("pq", key=by_name["kind"].levels.index))
    guessed = " ".join(found.notes)
    assert ("learning_rate logarithmic" in guessed) == (not named)
    assert ("alpha under decay" in guessed) == (not named)


def test_a_conditional_parameter_acts_where_it_exists():
    """Its planted variance, over all trials, is a third of the 0.05 squared that it has where it exists."""
    for seed in range(3):
        frame = nested_frame(400, seed)
        found = attribute(frame, GROUPS, draws=600, details=False, **NAMED)
        variance = 0.05**2 / 3
        total = variance + 0.0005 + 0.0004
        entry = found.groups["schedule"]
        assert entry["ci_low"] <= variance / total <= entry["ci_high"]
        assert found.groups["synchronisation"]["share"] == pytest.approx(0.0005 / total, abs=0.09)


def test_the_basis_of_conditional_parameters_is_orthonormal():
    frame = nested_frame(40_000)
    sample = make_sample(frame, GROUPS, outcome="value", state="state", replicate="seed", **NAMED)
    blocks = basis_blocks(sample.factors)
    names = {block.factors for block in blocks}
    assert ("decay", "alpha") not in names
    assert ("kind", "deep") not in names
    assert ("alpha", "deep") in names
    matrix = np.concatenate([block.columns for block in blocks], axis=1)
    np.testing.assert_allclose(matrix.T @ matrix / len(frame), np.eye(matrix.shape[1]), atol=0.12)


def test_nested_factors_are_tested_for_uniformity_where_they_exist():
    frame = nested_frame()
    frame.loc[frame["deep"].notna(), "deep"] = frame["deep"] ** 4
    sample = make_sample(frame, GROUPS, outcome="value", state="state", replicate="seed", **NAMED)
    p_values = uniformity_p_values(sample)
    assert p_values["deep"] < 1e-4
    assert min(p for name, p in p_values.items() if name != "deep") > 1e-3


@pytest.mark.parametrize("trials", [14, 60, 200])
def test_an_adaptive_sampler_is_named_at_any_number_of_trials(trials):
    frame = nested_frame(trials)
    found = attribute(frame, GROUPS, draws=200, details=False, sampler="tpe")
    assert found.verdict == "inconclusive"
    assert found.reasons == ("not_uniform",)
    assert "'tpe'" in found.explanations[0]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"ranges": {"learning_rat": ("log", 1, 2)}}, "'learning_rat' is not in the table"),
        ({"ranges": {"learning_rate": ("logarithmic", 1, 2)}}, '("log" or "linear", low, high)'),
        ({"ranges": {"learning_rate": ("log", 0, 2)}}, "0 < low < high"),
        ({"ranges": {"learning_rate": ("linear", 2, 1)}}, "low < high"),
        ({"ranges": {"learning_rate": ("linear", 0, float("nan"))}}, "finite"),
        ({"ranges": {"learning_rate": ("linear", 0, 1, 2)}}, "a step above 0"),
        ({"ranges": {"learning_rate": ("log", 1e-3, 2e-3)}}, "outside its range"),
        ({"conditions": {"alpha": ("deca", ["power"])}}, "'deca' is not in the table"),
        ({"conditions": {"alpha": "decay"}}, "(other column, [values])"),
        ({"conditions": {"alpha": ("decay", "power")}}, "(other column, [values])"),
        ({"conditions": {"alpha": ("kind", ["p"]), "kind": ("alpha", [1])}}, "depends on itself"),
        ({"conditions": {"alpha": ("decay", ["power", "linear"])}}, "have no finite number"),
    ],
)
def test_what_is_named_wrongly_is_an_error(named, said):
    with pytest.raises(FrameError) as caught:
        attribute(nested_frame(), GROUPS, draws=100, details=False, **named)
    assert said in str(caught.value)


def drawn(spec: StudySpec, trials: int = 200) -> pd.DataFrame:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    rows = []
    for number in range(trials):
        trial = study.ask()
        suggest(trial, spec)
        rows.append({"number": number, "seed": number, "state": "COMPLETE", **trial.params})
    return pd.DataFrame(rows).assign(value=np.random.default_rng(0).normal(0.8, 0.05, trials))


@pytest.mark.parametrize("layered", [False, True])
def test_a_study_says_what_its_space_is(layered: bool, make_study: MakeStudy) -> None:
    scope = ', scope = "layer"' if layered else ""
    decay = next(name for name in ("decay", "shape") if _is_a_key(name))
    spec = make_study(
        f'{decay} = {{choices = ["power", "linear", "cosine"]{scope}}}\n'
        f"alpha = {{low = 0.5, high = 3.0, log = true{scope}}}\n"
        "learning_rate = {low = 1e-3, high = 1e-2, log = true}\n"
        "batch_size = {low = 16, high = 256, log = true}\n"
        'noise = ["uniform", "normal"]\ninterval = ["overlapped", "partition"]',
        'sampler = "random"',
    )
    frame = drawn(spec)
    options = describe_space(spec).options(frame.columns)
    alpha, above = ("alpha.1", f"{decay}.1") if layered else ("alpha", decay)
    assert options["ranges"]["learning_rate"] == ("log", 1e-3, 1e-2)
    assert options["ranges"]["batch_size"] == ("log", 16, 256, 1)
    assert options["conditions"][alpha] == [(above, ["power"])]
    assert options["sampler"] == "random"
    found = attribute(frame, draws=200, details=False, **options)
    assert "not_uniform" not in found.reasons
    assert not [note for note in found.notes if "guessed" in note]


def _is_a_key(name: str) -> bool:
    from ana_search.study_file import KEYS

    return name in KEYS
