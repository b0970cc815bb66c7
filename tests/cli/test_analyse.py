"""`analyse` and what `launch --confirm-factors` asks for, on stored studies: the folder, the words, the cells."""

import json
from collections import Counter
from pathlib import Path

import pytest

from ana_search.cli.confirm_factors import deciding_study
from ana_search.results import load_results
from ana_search.runner.queue import Queue
from ana_search.space import requested_trials
from ana_search.storage.record import TrialRecord
from ana_search.study_file import load_study_file
from tests.cli.test_commands import ana_search
from tests.dashboard.stored import stored_study
from tests.runner.studies import TINY

STUDY = f"""
[study]
name = "tiny"
sampler = "grid"
seeds = 2
{TINY}[space]
noise = ["uniform", "normal"]
interval = ["overlapped", "partition", "same_end"]
[resources]
workers = 1
"""


def cells(folder: Path) -> Counter[tuple[str, str, int]]:
    """Count the complete trials of every noise, interval and replicate."""
    table = load_results("tiny", runs=folder / "runs").query("state == 'COMPLETE'")
    return Counter(zip(table["noise"], table["interval"], table["replicate"].astype(int), strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(STUDY)
    return tmp_path


def test_a_decided_study(folder: Path) -> None:
    stored_study(load_study_file(folder / "tiny.toml"), folder / "runs")
    done = ana_search("analyse", "tiny", "--out", "out", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["verdict"] == "synchronisation" or answer["reasons"] == ["too_few_residual_df"]
    assert {path.name for path in (folder / "out").iterdir()} >= {"report.html", "verdict.json", "trials.csv"}
    assert "Traceback" not in done.stderr


def test_a_verdict_that_is_decided_leaves_nothing_to_run(folder: Path) -> None:
    (folder / "tiny.toml").write_text(STUDY.replace("seeds = 2", "seeds = 6"))
    stored_study(load_study_file(folder / "tiny.toml"), folder / "runs")
    done = ana_search("launch", "tiny.toml", "--confirm-factors", cwd=folder)
    assert done.returncode == 2
    assert "'synchronisation'" in done.stderr
    assert "decided" in done.stderr


@pytest.mark.slow
def test_several_studies_and_no_study(folder: Path) -> None:
    (folder / "other.toml").write_text(STUDY.replace('"tiny"', '"other"'))
    for name in ("tiny", "other"):
        stored_study(load_study_file(folder / f"{name}.toml"), folder / "runs")
    done = ana_search("analyse", "tiny", "other", "--out", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert set(json.loads((folder / "out" / "verdict.json").read_text())["studies"]) == {"tiny", "other"}
    assert (folder / "out" / "comparison.png").is_file()
    missing = ana_search("analyse", "nowhere", "--out", "never", cwd=folder)
    assert missing.returncode == 2
    assert "nowhere" in missing.stderr
    assert not (folder / "never").exists()


@pytest.mark.parametrize(("seeds", "stored", "wanted"), [(2, 7, 3), (2, 11, 3), (1, 6, 3), (3, 10, 3)])
def test_what_would_decide_is_what_is_missing(folder: Path, seeds: int, stored: int, wanted: int) -> None:
    """Every cell and replicate that `--confirm-factors` asks for, and none that is there already."""
    (folder / "tiny.toml").write_text(STUDY.replace("seeds = 2", f"seeds = {seeds}"))
    spec = load_study_file(folder / "tiny.toml")
    study = stored_study(spec, folder / "runs", trials=stored, histories=False)
    limited = spec.model_copy(update={"study": spec.study.model_copy(update={"trials": stored})})
    study.set_user_attr("spec", limited.to_json())  # as `launch --trials` leaves it
    decides = deciding_study(spec, storage=None, runs=folder / "runs")
    assert (decides.study.name, decides.study.seeds, decides.space) == ("tiny", wanted, spec.space)
    assert requested_trials(decides) == 6 * wanted
    queue = Queue(decides, [TrialRecord.of(trial) for trial in study.get_trials(deepcopy=False)])
    asked = []
    while (request := queue.take()) is not None:
        assert request.params is not None
        asked.append((str(request.params["noise"]), str(request.params["interval"]), request.replicate))
    assert len(asked) == len(set(asked)) == 6 * wanted - stored
    assert not set(asked) & set(cells(folder))
