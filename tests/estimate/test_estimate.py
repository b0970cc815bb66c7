import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from ana_search.errors import DataError, RequestError
from ana_search.estimate import estimate, plan_lines, write_plans
from ana_search.estimate.timing import image_counts, time_training
from ana_search.plan import DataPlan
from ana_search.planner import make_plan
from ana_search.space import grid
from ana_search.study_file import load_study_file
from tests.conftest import MakeStudy

GRID = 'noise = ["uniform", "normal"]\ninterval = ["overlapped", "partition"]\nalpha = { low = 1, high = 2, step = 1 }'


def test_what_a_grid_asks_for(make_study: MakeStudy) -> None:
    summary = estimate(make_study(GRID, 'sampler = "grid"\nseeds = 3', epochs=10), timed=False)
    assert summary.study == "made"
    assert (summary.cells, summary.replicates, summary.trials) == (8, 3, 24)
    assert summary.epochs == 240
    assert [(row.parameter, row.values, row.scope, row.group) for row in summary.parameters] == [
        ("noise", "uniform, normal", "network", "shape"),
        ("interval", "overlapped, partition", "network", "synchronisation"),
        ("alpha", "1 to 2, step 1", "network", "schedule"),
    ]
    assert summary.cost is None
    assert "device_hours" not in json.loads(json.dumps(summary.to_dict()))


def test_what_other_samplers_ask_for(make_study: MakeStudy) -> None:
    random = estimate(make_study(GRID, 'sampler = "random"\ntrials = 50', epochs=10), timed=False)
    assert (random.cells, random.trials, random.epochs) == (None, 50, 500)
    pruned = estimate(make_study(GRID, 'sampler = "tpe"\ntrials = 90\npruner = "asha"'), timed=False)
    assert pruned.rungs == (2, 6, 18)
    assert pruned.epochs == 90 * 2 + 30 * 6 + 10 * 18
    searched = estimate(make_study("epochs = [5, 15]", 'sampler = "random"\ntrials = 10'), timed=False)
    assert searched.epochs == 100


def test_the_cost_follows_from_the_time_of_an_epoch(make_study: MakeStudy) -> None:
    threads = torch.get_num_threads()
    summary = estimate(make_study(GRID, 'sampler = "grid"', epochs=10), workers=4)
    assert torch.get_num_threads() == threads
    assert summary.cost is not None
    assert 0 < summary.cost.epoch_seconds < 60
    assert summary.cost.trial_seconds == pytest.approx(10 * summary.cost.epoch_seconds)
    assert summary.cost.device_hours == pytest.approx(8 * summary.cost.trial_seconds / 3600)
    assert summary.cost.wall_seconds == pytest.approx(2 * summary.cost.trial_seconds)
    assert summary.cost.workers == 4


def test_a_batch_too_large_to_time_is_timed_in_parts(make_study: MakeStudy) -> None:
    """The time of a batch of 1,024 follows from steps of a few images; it grows with the network."""
    plan = make_plan(make_study("batch_size = 1024", 'sampler = "random"'), {}, 0)
    wide = replace(plan, network=replace(plan.network, width=64))
    narrow_seconds, wide_seconds = (time_training(one, 1, 0).epoch_seconds for one in (plan, wide))
    assert 0 < narrow_seconds < wide_seconds


def test_images_are_counted_without_the_data() -> None:
    assert image_counts(DataPlan("cifar10", validation=0.1)) == (45_000, 5_000)
    assert image_counts(DataPlan("cifar10", folds=5, fold=0)) == (40_000, 10_000)
    assert image_counts(DataPlan("digits", train_size=100, validation=0.2)) == (80, 20)


def test_plan_lines_are_the_plans(make_study: MakeStudy, tmp_path: Path) -> None:
    space = f'{GRID}\nactivation_offset = 0.1\nbackward = ["same", "static"]\nbackward_noise = "normal"'
    spec = make_study(space, 'sampler = "grid"')
    path = tmp_path / "plans.jsonl"
    write_plans(spec, path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [json.loads(json.dumps(line)) for line in plan_lines(spec)]
    assert [line["params"] for line in lines] == grid(spec)
    for line in lines:
        plan = make_plan(spec, line["params"], 0)
        assert line["epochs"] == 18
        for layer, planned in zip(line["layers"], plan.layers, strict=True):
            assert (layer["start"], layer["end"]) == (planned.weights.start, planned.weights.end)
            assert layer["activations"]["start"] == planned.activations.start
            assert ("backward_noise" in layer) == (line["params"]["backward"] == "static")
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".toml"] == ["plans.jsonl"]


def test_only_cells_can_be_listed(make_study: MakeStudy, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="allowed: sampler = 'grid'"):
        write_plans(make_study(GRID, 'sampler = "tpe"'), tmp_path / "plans.jsonl")
    assert len(list(plan_lines(make_study('noise = "normal"', 'sampler = "random"')))) == 1
    with pytest.raises(RequestError, match="cannot be written"):
        write_plans(make_study(GRID, 'sampler = "grid"'), tmp_path / "no" / "plans.jsonl")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RequestError, match="cannot be written"):
        write_plans(make_study(GRID, 'sampler = "grid"'), tmp_path / "folder")
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "made.toml"}


def test_a_step_that_does_not_fit_into_memory_is_not_tried(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(10):
                (tmp_path / part / name / f"{number}.png").write_bytes(b"")
            Image.new("1", (4096, 4096)).save(tmp_path / part / name / "0.png")
    path = tmp_path / "large.toml"
    path.write_text(
        f'[study]\nname = "large"\nsampler = "random"\n[data]\nname = "image_folder"\nroot = "{tmp_path}"\n'
        '[network]\nname = "digits_cnn"\nwidth = 1024\n[training]\nepochs = 1\n'
    )
    with pytest.raises(DataError, match=r"2 images of 4096 x 4096 pixels takes about \d.*GiB; |what is free"):
        estimate(load_study_file(path))


def test_what_the_networks_cost_and_what_becomes_of_constraints(make_study: MakeStudy) -> None:
    bits = "weight_bits = [2, 8]"
    plain = estimate(make_study(bits, 'sampler = "tpe"'), timed=False)
    assert [one.objective for one in plain.hardware] == ["weight_bits", "bytes", "operations"]
    assert (plain.hardware[0].smallest, plain.hardware[0].largest) == (2, 8)
    assert (plain.constraints, plain.constraints_note, plain.infeasible_cells) == ((), None, None)
    limited = 'constraints = ["weight_bits <= 4", "ram <= 1e6"]'
    grid_ = estimate(make_study(bits, f'sampler = "grid"\n{limited}'), timed=False)
    assert grid_.constraints == ("weight_bits <= 4", "ram <= 1000000")
    assert grid_.infeasible_cells == 1
    assert [one.objective for one in grid_.hardware][-1] == "ram"
    for sampler, words in (("tpe", "tpe learns from them"), ("random", "random draws without regard to them")):
        found = estimate(make_study(bits, f'sampler = "{sampler}"\n{limited}'), timed=False)
        assert words in str(found.constraints_note)
        assert found.infeasible_cells is None
