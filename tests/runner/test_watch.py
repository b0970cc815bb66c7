"""`analyse --watch` beside a launch, from before its first result to its end."""

import json
import time
from pathlib import Path

import pytest

from ana_search.errors import AnaSearchError
from tests.runner.commands import Command, running, wait_until
from tests.runner.studies import complete, trials_of, write_study


@pytest.mark.slow
def test_a_report_is_made_anew_until_the_study_is_finished(tmp_path: Path) -> None:
    write_study(tmp_path, "watched", training="epochs = 40")

    def has_begun() -> bool:
        try:
            return bool(trials_of(tmp_path / "runs", "watched"))
        except AnaSearchError:
            return False

    with running(tmp_path, "launch", "watched.toml", "--workers", "1") as launch:
        wait_until(has_begun, "a trial")
        began = len(complete(trials_of(tmp_path / "runs", "watched")))
        watch = Command(tmp_path, "analyse", "watched.toml", "--out", "report", "--watch", "1")
        assert launch.wait(120) == 0, launch.output()
        assert watch.wait(120) == 0, watch.output()
    assert began == 0, "the first result was there before the watch began"
    assert json.loads((tmp_path / "report" / "verdict.json").read_text())["n"]["used"] == 4
    page = (tmp_path / "report" / "report.html").read_text()
    assert 'http-equiv="refresh"' not in page
    assert time.time() - (tmp_path / "report" / "report.html").stat().st_mtime < 120
