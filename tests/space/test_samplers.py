"""What every sampler must do, and what some do besides."""

from collections import Counter

import optuna
import pytest
from optuna.trial import TrialState

from ana_search.space import SAMPLERS, distributions, is_conditional, make_sampler, suggest
from ana_search.study_file import StudySpec
from tests.conftest import MakeStudy

MIXED = """\
noise = ["uniform", "triangular", "normal", "logistic"]
offset = { low = -0.2, high = 0.2, scope = "layer" }
learning_rate = { low = 1e-4, high = 1e-2, log = true }
batch_size = { low = 32, high = 128, step = 32 }
"""
CONDITIONAL = 'decay = ["power", "cosine", "linear"]\nalpha = { low = 0.5, high = 4.0 }\n' + MIXED


def _run(spec: StudySpec, trials: int, study: optuna.Study | None = None) -> optuna.Study:
    """Ask and tell with a made-up value; the sampler is made anew for every trial, as after many resumes."""
    directions = ["maximize", "minimize"][: len(spec.study.objective)]
    study = study or optuna.create_study(directions=directions)
    for _ in range(trials):
        study.sampler = make_sampler(spec, len(study.trials))
        trial = study.ask()
        params = suggest(trial, spec)
        value = 1.0 - abs(float(params.get("offset.0", 0.0)) - 0.1) + 0.1 * (params.get("noise") == "normal")
        study.tell(trial, [value, len(trial.params)][: len(directions)])
    return study


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize("space", [MIXED, CONDITIONAL], ids=["plain", "conditional"])
@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "grid"])
def test_a_resumed_study_repeats_no_draw_and_a_repeated_study_all(
    sampler: str, space: str, make_study: MakeStudy
) -> None:
    spec = make_study(space, f'sampler = "{sampler}"')
    study = _run(spec, 15)
    params = [tuple(trial.params.items()) for trial in study.trials]
    assert len(set(params)) == 15
    assert [tuple(trial.params.items()) for trial in _run(spec, 15).trials] == params
    for trial in study.trials:
        assert "alpha" not in trial.params or trial.params["decay"] == "power"


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_two_objectives(sampler: str, make_study: MakeStudy) -> None:
    spec = make_study(MIXED, f'sampler = "{sampler}"\nobjective = ["val_accuracy", "weight_bits"]')
    assert len(_run(spec, 15).best_trials) >= 1


def test_tpe_draws_all_parameters_together_although_some_are_conditional(make_study: MakeStudy) -> None:
    plain, conditional = make_study(MIXED, 'sampler = "tpe"'), make_study(CONDITIONAL, 'sampler = "tpe"')
    assert not is_conditional(plain)
    assert is_conditional(conditional)
    for spec in (plain, conditional):
        study = _run(spec, 30)
        together = make_sampler(spec).infer_relative_search_space(study, study.trials[-1])
        assert set(together) == set().union(*(trial.params for trial in study.trials))


def test_qmc_covers_every_choice_evenly_although_replicates_are_enqueued(make_study: MakeStudy) -> None:
    spec = make_study(MIXED, 'sampler = "qmc"\nseeds = 2')
    study = _run(spec, 1)
    for _ in range(64):
        study = _run(spec, 1, study)
        study.enqueue_trial(study.trials[-1].params)
        study = _run(spec, 1, study)
    drawn = study.trials[1::2]
    repeated = study.trials[2::2]
    assert [one.params for one in drawn] == [other.params for other in repeated]
    points = [study.trials[0], *drawn[:63]]
    counts = Counter(trial.params["noise"] for trial in points)
    assert set(counts.values()) == {16}
    quarters = Counter(int((trial.params["offset.0"] + 0.2) / 0.1) for trial in points)
    assert set(quarters.values()) == {16}


def _with_random_trials(spec: StudySpec, count: int) -> optuna.Study:
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(count):
        trial = study.ask()
        suggest(trial, spec)
        study.tell(trial, (number * 37 % 101) / 101)
    return study


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_knowing_the_space_changes_no_draw(
    sampler: str, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing was widened the known space is the one that Optuna infers."""
    spec = make_study(MIXED, f'sampler = "{sampler}"')
    study = _with_random_trials(spec, 60)
    drawn = []
    for known in (True, False):
        study.sampler = make_sampler(spec, 60)
        if not known:
            monkeypatch.setattr(study.sampler, "_known", None)
        drawn.append(suggest(study.ask(), spec))
        study.tell(len(study.trials) - 1, state=TrialState.FAIL)
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("sampler", ["tpe", "qmc", "nsga2"])
def test_a_widened_range_is_searched_in_its_whole_width(sampler: str, make_study: MakeStudy) -> None:
    narrow = make_study("offset = { low = -0.1, high = 0.1 }", f'sampler = "{sampler}"')
    study = _with_random_trials(narrow, 20)
    wide = make_study("offset = { low = -1.0, high = 1.0 }", f'sampler = "{sampler}"')
    drawn = []
    for number in range(20, 50):
        study.sampler = make_sampler(wide, number)
        trial = study.ask()
        drawn.append(float(suggest(trial, wide)["offset"]))
        assert set(trial.relative_params) <= {"offset"}
        study.tell(trial, abs(drawn[-1]))
    assert max(map(abs, drawn)) > 0.5


def test_distributions_are_those_that_trials_have(make_study: MakeStudy) -> None:
    spec = make_study(MIXED)
    study = _with_random_trials(spec, 1)
    assert study.trials[0].distributions == distributions(spec)


def test_tpe_draws_nothing_for_a_given_trial(make_study: MakeStudy) -> None:
    spec = make_study(MIXED, 'sampler = "tpe"')
    study = _run(spec, 12)
    study.enqueue_trial(study.trials[3].params)
    study.sampler = make_sampler(spec, 12)
    trial = study.ask()
    assert suggest(trial, spec) == study.trials[3].params
    assert not any(key.startswith("tpe:") for key in study.trials[12].system_attrs)
    assert study.trials[12].state == TrialState.RUNNING
