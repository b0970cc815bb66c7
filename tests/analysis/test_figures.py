"""Every figure: computed and drawn from 100 and from 10 trials, saved twice, with nothing on top of anything else."""

import dataclasses
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from analysis.figures import FIGURES, FigureInput
from analysis.order_violation import order_violations, violation_of_noise
from analysis.style import PALETTE, save_figure, styled
from tests.analysis.samples import figure_input, quickstart, search

EMPTY = {
    ("grid", 100): {"offsets"},
    ("grid", 10): {"shares", "comparison", "offsets", "costs"},
    ("search", 100): {"shares", "comparison", "pairs", "costs", "front"},
    ("search", 10): {"shares", "comparison", "pairs", "costs", "front"},
}
"""What there is nothing to show of: no estimate from too few trials, no crossing in a search of ranges."""


CASES = [
    pytest.param(
        one, id=f"{one[0]}-{one[1]}", marks=[pytest.mark.slow] if one in (("grid", 10), ("search", 100)) else []
    )
    for one in EMPTY
]


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[tuple[str, int], FigureInput]:
    kind, trials = request.param
    given = figure_input((quickstart if kind == "grid" else search)(100).first(trials))
    if kind == "grid":
        others = {"quickstart": given.attribution, "a study with rather a long name": given.attribution}
        costs = {"bytes": 1_000 + 37 * given.trials.index, "operations": 10_000 * (1 + given.trials.index % 7)}
        given = dataclasses.replace(given, others=others, trials=given.trials.assign(**costs))
    return request.param, given


def texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Return what is written in a figure and where; ticks outside an axis's range are not drawn."""
    with styled():
        figure.canvas.draw()
    outside = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            outside |= {tick for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    skipped = {label for tick in outside for label in (tick.label1, tick.label2)}
    return [
        (text.get_text(), text.get_window_extent())
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in skipped
    ]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts of which one lies on the other."""
    boxes = texts(figure)
    shown = [(text, box.padded(-1.0)) for text, box in boxes if box.width > 2 and box.height > 2]
    return [(a, b) for (a, one), (b, other) in itertools.combinations(shown, 2) if one.overlaps(other)]


def cut_off(figure: Figure) -> list[str]:
    """Return the texts that reach beyond the figure's edge."""
    width, height = figure.get_size_inches() * figure.dpi
    return [
        text for text, box in texts(figure) if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]


@pytest.mark.parametrize("name", FIGURES)
def test_figure(name: str, case: tuple[tuple[str, int], FigureInput], tmp_path: Path) -> None:
    which, given = case
    spec = FIGURES[name]
    data = spec.compute(given)
    assert data.empty == (name in EMPTY[which])
    if data.empty:
        return
    figure = spec.draw(data, given)
    assert figure.axes
    for axes in figure.axes:
        if axes.get_label() == "<colorbar>":
            assert re.search(r"\(.+\)", axes.get_ylabel())
            continue
        assert re.search(r"\(.+\)", axes.get_xlabel()), f"{name}: an axis without a name and unit"
        shared = axes.get_shared_y_axes().get_siblings(axes)
        assert any(re.search(r"\(.+\)", one.get_ylabel()) for one in shared), f"{name}: an axis without a name and unit"
    assert overlapping(figure) == []
    assert cut_off(figure) == []
    png, svg = save_figure(figure, tmp_path, name)
    picture = imread(png)
    assert picture.shape[1] >= 700
    assert float(np.std(picture[..., :3])) > 0.01
    assert svg.read_text(encoding="utf-8").rstrip().endswith("</svg>")
    assert "<text" not in svg.read_text(encoding="utf-8")  # letters are paths: no font is needed
    words = spec.describe(data, given)
    assert len(words) > 20
    assert "nan" not in words.lower()


@pytest.mark.parametrize("name", ["shares", "heatmap"])
def test_saving_twice_gives_the_same_file(name, tmp_path):
    given = figure_input(quickstart(100))
    spec = FIGURES[name]
    found = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        data = spec.compute(given)
        found.append([path.read_bytes() for path in save_figure(spec.draw(data, given), tmp_path / folder, name)])
    assert found[0] == found[1]


def test_colours_differ_for_any_eye():
    """The palette's first six colours stay apart under simulated red and green blindness."""
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in PALETTE[:6]])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    # Machado, Oliveira and Fernandes (2009), severity 1.
    protan = np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    )
    deutan = np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    )
    for matrix in (np.eye(3), protan, deutan):
        seen = np.clip(linear @ matrix.T, 0, 1) ** (1 / 2.2)
        apart = [float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)]
        assert min(apart) > 0.12


def test_the_front_by_hand():
    given = figure_input(quickstart(32))
    table = given.trials.head(6).assign(
        value=[0.9, 0.8, 0.95, 0.8, 0.97, 0.7],
        bytes=[200, 100, 300, 150, 400, 50],
        infeasible=[None, None, None, None, "bytes = 400, allowed: bytes <= 300", None],
    )
    table.loc[table.index[5], "state"] = "PRUNED"
    data = FIGURES["front"].compute(dataclasses.replace(given, trials=table))
    assert set(data["objective"]) == {"bytes"}
    assert data.loc[data["front"], "cost"].tolist() == [200, 100, 300]
    assert "from 80 at 100 bytes to 95 at 300 bytes" in FIGURES["front"].describe(data, given)


def test_order_violation_by_hand():
    assert violation_of_noise(np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0]])) == 0.0
    assert violation_of_noise(np.array([[1.0, 1.0, 1.0], [1.0, 0.5, 0.0]])) == pytest.approx(2 / 3)
    assert violation_of_noise(np.array([[1.0, 1.0]])) == 0.0


def test_order_violation_of_a_plan_is_that_of_its_policy():
    trials = quickstart(32)
    with_plans = order_violations(trials.frame, trials.plans, 5)
    without = order_violations(trials.frame, {}, 5)
    np.testing.assert_allclose(with_plans, without, atol=0.02)
    by_policy = with_plans.groupby(trials.frame["interval"]).mean()
    assert by_policy["same_end"] > 0.4
    assert by_policy["partition"] == by_policy["same_start"] == 0.0
