"""`analyse --next` and `launch --confirm-factors` on a real study: exactly the missing cells are run."""

import json
from pathlib import Path

import pytest

from ana_search.study_file import load_study_file
from tests.cli.test_analyse import STUDY, cells
from tests.cli.test_commands import ana_search
from tests.dashboard.stored import stored_study


@pytest.mark.slow
def test_the_missing_cells_are_run_and_nothing_else(tmp_path: Path) -> None:
    """A study that stopped half-way: `analyse --next` and `launch --confirm-factors` lead to the same twelve runs."""
    folder = tmp_path
    (folder / "tiny.toml").write_text(STUDY)
    spec = load_study_file(folder / "tiny.toml")
    stored_study(spec, folder / "runs", trials=7)
    before = cells(folder)
    done = ana_search("analyse", "tiny", "--out", "out", "--next", "next.toml", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["verdict"] == "inconclusive"
    assert answer["next"] == "ana-search launch next.toml"
    following = load_study_file(folder / "next.toml")
    assert (following.study.name, following.space) == ("tiny", spec.space)

    first = ana_search("launch", "next.toml", "--trials", "9", cwd=folder)
    assert first.returncode == 0, first.stderr
    assert len(cells(folder)) == 9
    assert before <= cells(folder)
    second = ana_search("launch", "tiny.toml", "--confirm-factors", cwd=folder)
    assert second.returncode == 0, second.stderr
    found = cells(folder)
    wanted = following.study.seeds
    assert set(found.values()) == {1}
    assert len(found) == 6 * wanted
    assert before <= found
