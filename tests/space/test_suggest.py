from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from ana_search.planner import make_plan
from ana_search.space import layer_count, suggest
from tests.conftest import MakeStudy


def test_names_and_kinds_of_parameters(make_study: MakeStudy) -> None:
    spec = make_study(
        """\
        noise = ["uniform", "normal"]
        strategy = "mode"
        mean = ["static", "dynamic", -0.25]
        offset = { low = -0.3, high = 0.3, scope = "layer" }
        batch_size = { low = 16, high = 64, log = true }
        alpha = { low = 1, high = 3, step = 0.5 }
        """
    )
    layers = layer_count(spec)
    given = {"noise": "normal", "mean": -0.25, "batch_size": 17, "alpha": 2.5}
    given |= {f"offset.{layer}": layer / 100 for layer in range(layers)}
    trial = FixedTrial(given)
    assert suggest(trial, spec) == given
    assert set(trial.distributions) == set(given)
    assert trial.distributions["batch_size"] == IntDistribution(16, 64, log=True)
    assert trial.distributions["alpha"] == FloatDistribution(1.0, 3.0, step=0.5)


def test_conditions_between_layers(make_study: MakeStudy) -> None:
    spec = make_study(
        """\
        backward = { choices = ["same", "static", "annealed"], scope = "layer" }
        backward_noise = { choices = ["uniform", "normal"], scope = "layer" }
        backward_interval = ["overlapped", "partition"]
        """
    )
    layers = layer_count(spec)
    backward = {f"backward.{layer}": ("same", "static")[layer % 2] for layer in range(layers)}
    noise = {f"backward_noise.{layer}": "normal" for layer in range(layers)}
    params = suggest(FixedTrial(backward | noise), spec)
    assert set(params) == set(backward) | {f"backward_noise.{layer}" for layer in range(1, layers, 2)}
    annealed = backward | noise | {"backward.0": "annealed", "backward_interval": "partition"}
    assert suggest(FixedTrial(annealed), spec)["backward_interval"] == "partition"


def test_a_fixed_parameter_acts_where_a_searched_one_would_exist(make_study: MakeStudy) -> None:
    spec = make_study('decay = ["power", "cosine"]\nalpha = 3.0\npower_law = "progressive"')
    powers = {
        shape: [layer.weights.spread_alpha for layer in make_plan(spec, {"decay": shape}, 0).layers]
        for shape in ("power", "cosine")
    }
    assert powers == {"power": [30.0, 24.0, 18.0, 12.0, 6.0], "cosine": [10.0, 8.0, 6.0, 4.0, 2.0]}
    searched = make_study('decay = ["power", "cosine"]\nalpha = [2.0, 3.0]\npower_law = "progressive"')
    for shape, params in (("power", {"alpha": 3.0}), ("cosine", {})):
        plan = make_plan(searched, {"decay": shape} | params, 0)
        assert [layer.weights.spread_alpha for layer in plan.layers] == powers[shape]


def test_a_fixed_decay_decides_whether_alpha_exists(make_study: MakeStudy) -> None:
    spec = make_study(
        f"decay = {{ layers = {['power', 'cosine'] * 2 + ['power']} }}\n".replace("'", '"')
        + 'alpha = { low = 1.0, high = 2.0, scope = "layer" }'
    )
    params = suggest(FixedTrial({f"alpha.{layer}": 1.5 for layer in range(5)}), spec)
    assert set(params) == {"alpha.0", "alpha.2", "alpha.4"}
