"""The numbers behind the picture of a plan, and its files."""

import math
from pathlib import Path

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ana_search.ana import NOISE_FAMILIES, StairFunction
from ana_search.planner import make_plan
from ana_search.space import example_params
from ana_search.study_file import load_study_file
from ana_search.wording import describe_params
from analysis.figures.schedules import distinct_curves, draw_schedules, schedule_frame
from analysis.figures.stairs import draw_stairs, stair_frame
from analysis.plans import draw_plan

STUDY = """
[study]
name = "drawn"
trials = 4
sampler = "random"

[data]
name = "digits"

[network]
name = "digits_cnn"
width = 4

[training]
epochs = 10
anneal = 0.5

[space]
noise = {choices = ["normal", "uniform"], scope = "layer"}
interval = ["partition", "overlapped"]
spread = {low = 0.25, high = 0.75}
learning_rate = {low = 1e-4, high = 1e-2, log = true}
activation_offset = 0.1
backward = "static"
"""


@pytest.fixture
def spec(tmp_path: Path):
    path = tmp_path / "drawn.toml"
    path.write_text(STUDY)
    return load_study_file(path)


def test_example_params_are_first_choices_and_middles(spec):
    params = example_params(spec)
    assert params["noise.0"] == "normal"
    assert params["interval"] == "partition"
    assert params["spread"] == 0.5
    assert math.isclose(params["learning_rate"], 1e-3)


def test_schedules_start_full_and_end_silent(spec):
    plan = make_plan(spec, example_params(spec), 1)
    frame = schedule_frame(plan, points=41)
    forward = frame[(frame["direction"] == "forward") & (frame["part"] == "weights")]
    start, end = forward[forward["epoch"] == 0], forward[forward["epoch"] == 10]
    assert (start["spread"] == 0.5).all()
    assert (end["spread"] == 0).all()
    assert (forward[forward["time"] >= 1]["mean"] == 0).all()
    backward = frame[frame["direction"] == "backward"]
    assert backward["spread"].nunique() == 1
    # Layers of a partition fall silent one after another; activations follow their weights later.
    silent = frame[frame["spread"] == 0].groupby(["part", "layer"])["time"].min().unstack(0)
    assert silent["weights"].is_monotonic_increasing
    assert (silent["activations"] >= silent["weights"]).all()


def test_stairs_converge_to_the_exact_one():
    frame = stair_frame(StairFunction.ternary(), (0.5, 1e-3), points=101)
    exact = frame[frame["noise"] == "exact"]["value"].to_numpy()
    near = frame[(frame["noise"] == "normal") & (frame["spread"] == 1e-3)]["value"].to_numpy()
    away = [abs(abs(x) - 0.5) > 0.01 for x in frame[frame["noise"] == "exact"]["x"]]
    assert torch.tensor(exact[away]).tolist() == pytest.approx(near[away].tolist())
    uniform = frame[(frame["noise"] == "uniform") & (frame["spread"] == 0.5)]
    inside = uniform[uniform["x"].abs().between(0.001, 0.999)]  # the two ramps touch at 0
    assert inside["slope"].to_list() == pytest.approx([1.0] * len(inside))


def test_a_plan_is_drawn_into_a_folder(spec, tmp_path: Path):
    files = draw_plan(spec, tmp_path / "new" / "folder")
    names = [file.name for file in files]
    assert names == ["schedules.png", "schedules.svg", "stairs.png", "stairs.svg"]
    assert all(file.stat().st_size > 5_000 for file in files)


def test_every_kind_of_quantiser_has_its_stair(tmp_path: Path):
    path = tmp_path / "bits.toml"
    path.write_text(STUDY + "\n[quantiser]\nweight_bits = 2\nactivation_bits = 4\n")
    names = [file.name for file in draw_plan(load_study_file(path), tmp_path)]
    assert "stairs_2.png" in names


def test_a_long_title_stays_inside_the_figure(spec):
    params = {f"noise.{layer}": ("normal", "uniform")[layer % 2] for layer in range(5)} | {
        f"offset.{layer}": 0.1 * layer for layer in range(5)
    }
    plan = make_plan(spec, example_params(spec), 1)
    figure = draw_schedules(plan, f"drawn, the plan: {describe_params(params)}")
    FigureCanvasAgg(figure).draw()
    title, legend = figure._suptitle, figure.axes[1].get_legend()
    inside, named = title.get_window_extent(), legend.get_window_extent()
    assert inside.x1 <= figure.bbox.x1
    assert not inside.overlaps(named)
    assert [text.get_text() for text in legend.get_texts()][-1] == "backward"


def test_overlapped_layers_are_all_seen(tmp_path: Path):
    """Layers whose noise takes one course share a line that has a dash in the colour of each, and is labelled."""
    path = tmp_path / "overlapped.toml"
    path.write_text(STUDY.replace('["partition", "overlapped"]', '"overlapped"').replace("activation_offset = 0.1", ""))
    spec = load_study_file(path)
    plan = make_plan(spec, example_params(spec), 1)
    forward = schedule_frame(plan).query("part == 'weights' and direction == 'forward'")
    (curve,) = distinct_curves(forward, "spread")
    assert curve.layers == tuple(range(len(plan.layers)))
    axes = draw_schedules(plan, "overlapped").axes[0]
    colours = {line.get_color() for line in axes.lines if line.get_linestyle() == "--" and line.get_linewidth() > 1}
    assert len(colours) == len(plan.layers)
    assert f"layers 0 to {len(plan.layers) - 1}" in [text.get_text() for text in axes.texts]


def test_stairs_have_a_column_for_each_family():
    figure = draw_stairs(StairFunction.ternary(), "ternary", 0.5)
    assert [axes.get_title() for axes in figure.axes[:4]] == list(NOISE_FAMILIES)
    assert [len(axes.lines) for axes in figure.axes] == [4] * 4 + [3] * 4  # exact and three spreads; no slope of exact
