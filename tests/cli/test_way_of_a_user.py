"""From a search to a verdict's reason, each command typed as the one before it printed it; small numbers, real runs."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from ana_search.results import load_results
from ana_search.study_file import load_study_file
from tests.cli.test_commands import ana_search
from tests.runner.studies import TINY

STUDY = (
    """
[study]
name = "way"
sampler = "{sampler}"
trials = {trials}
"""
    + TINY
    + """\
[space]
interval = ["overlapped", "same_start", "partition"]
noise = {{ choices = ["uniform", "normal"], scope = "layer" }}
decay = ["power", "linear"]
alpha = {{ low = 0.5, high = 3.0 }}
learning_rate = {{ low = 1e-3, high = 1e-2, log = true }}
[resources]
workers = 2
"""
)


def analyse(study: str, folder: Path, following: str) -> dict[str, Any]:
    done = ana_search("analyse", study, "--out", "out", "--next", following, "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["verdict"] == "inconclusive"
    for entry in answer["groups"].values():
        assert entry["ci_low"] is None
    return answer


def typed(command: str, folder: Path, *more: str, code: int = 0) -> str:
    done = ana_search(*shlex.split(command)[1:], *more, cwd=folder)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.slow
def test_from_a_search_to_a_random_design(tmp_path: Path) -> None:
    (tmp_path / "way.toml").write_text(STUDY.format(sampler="tpe", trials=4))
    typed("ana-search launch way.toml", tmp_path)
    answer = analyse("way", tmp_path, "next.toml")
    assert answer["reasons"] == ["not_uniform"]
    assert "'tpe'" in answer["explanations"][0]
    following = load_study_file(tmp_path / "next.toml")
    assert (following.study.name, following.study.sampler) == ("way-design", "random")
    typed(answer["next"], tmp_path, "--trials", "7")
    table = load_results("way-design", runs=tmp_path / "runs")
    assert table["seed"].nunique() == 7
    assert table["replicate"].tolist().count(1) == 1

    more = analyse("way-design", tmp_path, "more.toml")
    assert more["reasons"] == ["too_few_trials"]
    assert more["power"]["next"]["kind"] == "trials"
    extended = load_study_file(tmp_path / "more.toml")
    assert (extended.study.name, extended.study.trials) == ("way-design", 200)
    said = typed("ana-search launch way-design --confirm-factors", tmp_path, "--trials", "9")
    assert "200 in all" in said
    again = load_results("way-design", runs=tmp_path / "runs")
    assert len(again) == again["seed"].nunique() == 9


@pytest.mark.slow
def test_a_pick_freeze_study_is_run_and_asks_for_more_of_itself(tmp_path: Path) -> None:
    (tmp_path / "way.toml").write_text(STUDY.format(sampler="pick_freeze", trials=7))
    typed("ana-search launch way.toml", tmp_path)
    table = load_results("way", runs=tmp_path / "runs")
    assert table["block"].tolist() == [0] * 5 + [1] * 2
    assert table["redrawn"].tolist() == ["none", "synchronisation", "shape", "all", "none", "none", "synchronisation"]
    assert table["seed"].nunique() == 7
    answer = analyse("way", tmp_path, "next.toml")
    assert (answer["method"], answer["reasons"]) == ("pick_freeze", ["too_few_trials"])
    following = load_study_file(tmp_path / "next.toml").study
    assert (following.name, following.sampler, following.trials) == ("way", "pick_freeze", 200)
    assert "200 in all" in typed("ana-search launch way --confirm-factors", tmp_path, "--trials", "10")
    again = load_results("way", runs=tmp_path / "runs")
    assert again["redrawn"].tolist()[7:] == ["shape", "all", "none"]
    assert again["block"].tolist() == [0] * 5 + [1] * 5
