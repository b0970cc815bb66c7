"""A layer of which all weights have one level is told at its trial, and stands in the table."""

from pathlib import Path

from ana_search.dispatch.local import LocalDispatcher
from ana_search.results import load_results
from ana_search.runner import launch
from tests.runner.studies import Watcher, make_spec

# Such a decay takes every weight to within a hundredth of 0 at each step, far below the first threshold.
TRAINING = 'epochs = 2\noptimiser = "adamw"\nlearning_rate = 0.01\nweight_decay_of = "weights"'


def test_a_dead_layer_is_told_and_stands_in_the_table(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, training=TRAINING, space="weight_decay = [0.0, 99.0]")
    watcher = Watcher()
    launch(spec, runs=tmp_path / "runs", workers=1, dispatcher=LocalDispatcher(), progress=watcher)
    table = load_results(spec.study.name, runs=tmp_path / "runs").set_index("weight_decay")
    sound, dead = table.loc[0.0], table.loc[99.0]
    assert sound["levels_of_weights"] == "3 3 3 3 3"
    assert dead["levels_of_weights"] == "1 1 1 1 1"
    assert any(float(share) > 0 for share in sound["flips_of_weights"].split())
    assert set(dead["flips_of_weights"].split()) == {"0"}
    told = [message for message in watcher.messages if "have one level" in message]
    assert told == [message for message in told if message.startswith(f"trial {dead['number']}: in layer 0, 1, 2")]
    assert len(told) == 1
