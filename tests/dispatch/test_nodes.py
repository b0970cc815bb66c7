"""Clusters that run already: two nodes of which one goes in the middle of a study, and an address to connect to."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from optuna.trial import TrialState
from ray.cluster_utils import Cluster

from ana_search.dispatch import SlotRequest
from ana_search.dispatch.ray_dispatcher import RayDispatcher
from ana_search.errors import ResourceError
from ana_search.runner import launch
from tests.runner.studies import Watcher, check_sound, complete, make_spec, trials_of


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.mark.slow
def test_a_node_removed_in_the_middle_loses_no_finished_trial(cluster: Cluster, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    runs = tmp_path / "runs"
    finished: dict[int, float] = {}

    class Remover(Watcher):
        def epoch(self, worker: str, trial: int, epoch: int, epochs: int, accuracy: float | None = None) -> None:
            super().epoch(worker, trial, epoch, epochs, accuracy)
            done = complete(trials_of(runs)) if len(self.ended) >= 2 and not finished else []
            if len(done) >= 2 and len(self.running) == 2:
                finished.update({one.number: one.values[0] for one in done})
                cluster.remove_node(node)

    spec = make_spec(tmp_path, study='sampler = "grid"\nseeds = 2', training="epochs = 40")
    watcher = Remover()
    outcome = launch(spec, workers=2, address=cluster.address, runs=runs, progress=watcher)
    assert finished
    assert (outcome.finished, outcome.complete) == (8, 8)
    trials = trials_of(runs)
    check_sound(trials, 8)
    values = {trial.number: trial.value for trial in complete(trials)}
    assert values.items() >= finished.items()
    lost = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert len(lost) == 1
    assert "node" in lost[0].user_attrs["reason"]


def test_an_address_where_nothing_answers_is_refused_in_seconds() -> None:
    for address in ("ray://127.0.0.1:1", "127.0.0.1:1"):
        began = time.monotonic()
        with pytest.raises(ResourceError, match="allowed: ray://HOST:PORT or auto"):
            RayDispatcher(SlotRequest(1), address).start()
        assert time.monotonic() - began < 30
