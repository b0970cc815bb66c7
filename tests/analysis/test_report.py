"""The report's files: the shape of verdict.json, the folder, several studies side by side; the measured quickstart."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ana_search.errors import FrameError
from ana_search.space import grid
from analysis import attribute, report
from analysis.cross_checks import cross_checks
from analysis.testing.planted import CASES, Planted, factorial_frame, mixed_frame
from tests.analysis.samples import quickstart, search, shipped

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "quickstart"

KEYS = {
    "question", "verdict", "reasons", "explanations", "method", "level", "groups", "noise_floor", "interaction",
    "thresholds", "verdict_ungated", "sensitivity", "region_probability", "n", "power", "effects", "matched_pairs",
    "costs", "cross_checks", "notes", "versions", "created",
}  # fmt: skip
GROUP = {
    "share", "ci_low", "ci_high", "unbiased", "first_order", "total", "sd_points", "range_points", "columns",
    "levels", "df",
}  # fmt: skip


def assert_shape(document: dict) -> None:
    """Hold a verdict.json against the fields that it has promised."""
    assert set(document) - {"studies", "differences"} == KEYS
    assert document["verdict"] in ("synchronisation", "shape", "both", "neither", "inconclusive")
    assert document["method"] in ("factorial", "space_filling")
    assert document["thresholds"] == {"delta": 0.1, "rho": 1.732}
    assert {"synchronisation", "shape"} <= set(document["groups"])
    for entry in document["groups"].values():
        assert set(entry) == GROUP
        if entry["share"] is not None:
            assert 0 <= entry["ci_low"] <= entry["share"] <= entry["ci_high"] <= 1
            assert entry["first_order"] <= entry["total"] + 1e-9
    assert set(document["noise_floor"]) == {"share", "ci_low", "ci_high", "sd_points", "source", "df"}
    assert document["noise_floor"]["source"] in ("replicates", "residual")
    assert set(document["interaction"]) == {"share", "ci_low", "ci_high"}
    assert set(document["sensitivity"]) == {"failed_dropped", "failed_chance"}
    if document["region_probability"]:
        assert set(document["region_probability"]) == {"synchronisation", "shape", "both", "neither"}
        assert sum(document["region_probability"].values()) == pytest.approx(1)
    assert {"used", "pruned", "failed", "cells", "replicates"} <= set(document["n"])
    assert {"probability_decided_with_this_design", "replicates_for_80_percent", "next"} <= set(document["power"])
    for levels in document["effects"].values():
        for entry in levels.values():
            assert set(entry) == {"mean", "ci_low", "ci_high", "n"}
    for levels in document["costs"].values():
        for entry in levels.values():
            assert set(entry) == {"points", "ci_low", "ci_high", "safe"}
            assert 0 <= entry["ci_low"] <= entry["points"] <= entry["ci_high"]
            assert 0 <= entry["safe"] <= 1
    for entry in document["matched_pairs"].values():
        assert {"pairs", "median_points"} <= set(entry)
    assert {"ana-search", "numpy", "scipy"} <= set(document["versions"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", document["created"])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two studies, a grid and a random search."""
    folder = tmp_path_factory.mktemp("report")
    one, other = quickstart(96), search(40)
    info = {
        name: {"spec": json.loads(trials.spec.to_json()), "layers": 5, "plans": trials.plans,
               "histories": trials.histories, "commands": [f"ana-search launch {name}"]}
        for name, trials in (("quickstart", one), ("per_layer", other))
    }  # fmt: skip
    found = report(
        {"quickstart": one.frame, "per_layer": other.frame}, folder, info=info, next_path=folder / "next.toml"
    )
    assert found.verdict == "synchronisation"
    assert all(path.is_file() and path.stat().st_size > 0 for path in found.files.values())
    return folder


def test_several_studies_side_by_side(written):
    document = json.loads((written / "verdict.json").read_text())
    assert_shape(document)
    assert list(document["studies"]) == ["quickstart", "per_layer"]
    for one in document["studies"].values():
        assert_shape(one)
    assert (written / "comparison.png").is_file()
    assert (written / "comparison.svg").is_file()
    page = (written / "report.html").read_text()
    assert page.count("<section") == 2
    assert "Studies side by side" in page
    for name in ("quickstart", "per_layer"):
        assert len(pd.read_csv(written / name / "trials.csv")) == len(
            {"quickstart": quickstart(96), "per_layer": search(40)}[name].frame
        )
        assert (written / name / "effects.png").is_file()


def test_the_page_needs_nothing_from_outside(written):
    page = (written / "report.html").read_text()
    assert not re.search(r"""(src|href)=["']https?:""", page)
    assert "<script" not in page


def test_one_study_gives_its_folder(tmp_path):
    trials = quickstart(96)
    found = report(trials.frame, tmp_path / "deep" / "out", info={"name": "quickstart"})
    names = {path.name for path in (tmp_path / "deep" / "out").iterdir()}
    assert {"report.html", "verdict.json", "trials.csv", "shares.png", "shares.svg", "heatmap.svg"} <= names
    assert not any(name.startswith(".part-") for name in names)
    document = json.loads((tmp_path / "deep" / "out" / "verdict.json").read_text())
    assert_shape(document)
    assert {"omega_squared", "ped_anova"} <= set(document["cross_checks"])
    omega = document["cross_checks"]["omega_squared"]["groups"]
    assert omega["synchronisation"] == pytest.approx(document["groups"]["synchronisation"]["first_order"], abs=0.03)
    assert found.next_study is None


def test_names_cannot_leave_the_folder(tmp_path):
    frames = {"../../evil": quickstart(3).frame, "<b>&amp": quickstart(4).frame}
    found = report(frames, tmp_path / "out")
    assert all((tmp_path / "out") in path.parents for path in found.files.values())
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert "<b>&amp" not in (tmp_path / "out" / "report.html").read_text()


def test_the_next_study_is_a_study_file(tmp_path):
    trials = quickstart(32)
    info = {"name": "quickstart", "spec": json.loads(trials.spec.to_json())}
    found = report(trials.frame, tmp_path, info=info, next_path=tmp_path / "next.toml")
    assert found.verdict == "inconclusive"
    assert found.attribution.reasons == ("no_replicates",)
    table = tomllib.loads((tmp_path / "next.toml").read_text())
    assert table["study"]["seeds"] == 3
    with pytest.raises(FrameError, match="spec"):
        report(trials.frame, tmp_path / "other", next_path=tmp_path / "other.toml")
    assert not (tmp_path / "other").exists()


def test_nothing_is_written_where_the_table_is_wrong(tmp_path):
    with pytest.raises(FrameError):
        report(pd.DataFrame({"value": [1.0]}), tmp_path / "out")
    with pytest.raises(FrameError):
        report({}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_random_sample_is_cross_checked_by_sobol_indices():
    found = attribute(mixed_frame(CASES["synchronisation 0.10, shape 0.60"], np.random.default_rng(1)), draws=200)
    checks = cross_checks(found.sample, found.layout, found.method)
    sobol = checks["sobol"]["groups"]
    assert sobol["shape"]["first_order"] > sobol["synchronisation"]["first_order"]
    assert "adaptive" in checks["ped_anova"]["note"]


def test_the_paper_grid_is_read_as_a_crossing_with_reference_cells():
    """264 cells, of which 64 policies form a full crossing: 8 synchronisations x 8 policies x 4 families."""
    spec = shipped("paper_cifar10")
    generator = np.random.default_rng(1)
    sync: dict[tuple[object, object], float] = {}
    rows = []
    for number, params in enumerate(grid(spec)):
        key = (params["interval"], params["power_law"])
        effect = sync.setdefault(key, generator.normal(0, 0.03))
        rows += [
            {"number": 5 * number + fold, "state": "COMPLETE", "seed": fold, **params,
             "value": 0.8 + effect + generator.normal(0, 0.01)}
            for fold in range(5)
        ]  # fmt: skip
    found = attribute(pd.DataFrame(rows), draws=400, details=False)
    assert len(rows) == 264 * 5
    assert found.method == "factorial"
    assert found.n["outside"] == 8 * 5
    assert found.n["cells"] == 256
    assert found.verdict == "synchronisation"


def test_the_measured_quickstart_says_synchronisation():
    frame = pd.read_csv(RESULTS / "trials.csv")
    found = attribute(frame)
    assert (found.verdict, found.reasons) == ("synchronisation", ())
    stored = json.loads((RESULTS / "verdict.json").read_text())
    assert stored["verdict"] == "synchronisation"
    for group in ("synchronisation", "shape"):
        assert found.groups[group]["share"] == pytest.approx(stored["groups"][group]["share"], abs=0.01)


def test_the_quickstart_with_shuffled_accuracies_says_nothing():
    frame = pd.read_csv(RESULTS / "trials.csv")
    for seed in range(10):
        mixed = frame.assign(value=np.random.default_rng(seed).permutation(frame["value"]))
        assert attribute(mixed, details=False, draws=1000).verdict in ("neither", "inconclusive")


def test_matched_pairs_by_hand():
    frame = pd.DataFrame(
        {
            "interval": ["a", "a", "b", "b"] * 2,
            "noise": ["x", "y", "x", "y"] * 2,
            "seed": [0] * 4 + [1] * 4,
            "value": [0.50, 0.51, 0.70, 0.72, 0.53, 0.52, 0.74, 0.76],
        }
    )
    pairs = attribute(frame, draws=50).matched_pairs
    assert {name: entry["pairs"] for name, entry in pairs.items()} == {"synchronisation": 4, "shape": 4, "seed": 4}
    assert pairs["synchronisation"]["mean_points"] == pytest.approx((20 + 21 + 21 + 24) / 4)
    assert pairs["shape"]["mean_points"] == pytest.approx((1 + 2 + 1 + 2) / 4)
    assert pairs["seed"]["mean_points"] == pytest.approx((3 + 1 + 4 + 4) / 4)


def test_effects_by_hand():
    frame = factorial_frame(Planted(0.5, 0.2), np.random.default_rng(1))
    effects = attribute(frame, draws=50).effects
    means = frame.groupby("interval")["value"].mean()
    assert {level: entry["mean"] for level, entry in effects["interval"].items()} == pytest.approx(means.to_dict())
    assert {entry["n"] for entry in effects["interval"].values()} == {24}
    assert all(entry["ci_low"] < entry["mean"] < entry["ci_high"] for entry in effects["noise"].values())
