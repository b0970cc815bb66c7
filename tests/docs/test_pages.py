"""What README and docs say of files, sections and measured figures is so."""

import json
import re
import runpy
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(page for folder in ("docs", "studies", "benchmarks") for page in sorted((ROOT / folder).rglob("*.md"))),
]
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures, but for those in examples of code."""
    return _LINK.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """Return the names by which a page's headings can be linked to (as GitHub makes them)."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme in ("http", "https"):
            continue  # no test asks the network
        target = page.parent / unquote(parts.path) if parts.path else page
        assert target.exists(), f"{page.name}: {link}"
        assert ROOT in target.resolve().parents, f"{page.name}: {link} leaves the project"
        if parts.fragment and target.suffix == ".md":
            assert parts.fragment in anchors(target), f"{page.name}: {link}"


def test_there_are_links_to_follow() -> None:
    assert sum(len(links(page)) for page in PAGES) > 20


def test_measured_figures_are_those_of_the_stored_study() -> None:
    """If this fails after a new measurement: python docs/results/measured.py results/quickstart."""
    measured = runpy.run_path(str(ROOT / "docs" / "results" / "measured.py"))
    for page, text in measured["texts"](measured["STORED"]).items():
        assert f"<!-- quickstart -->\n{text}\n<!-- /quickstart -->" in page.read_text(encoding="utf-8"), page.name


def test_the_stored_verdict_is_that_of_the_stored_trials() -> None:
    import pandas as pd

    from analysis import attribute

    folder = ROOT / "docs" / "results" / "quickstart"
    stored = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    found = attribute(pd.read_csv(folder / "trials.csv")).to_dict()
    assert found["verdict"] == stored["verdict"]
    for name, group in stored["groups"].items():
        for key in ("share", "ci_low", "ci_high"):
            assert found["groups"][name][key] == pytest.approx(group[key], abs=5e-4), (name, key)


def test_the_first_screen_has_the_result_and_its_picture() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20]
    assert any(line.startswith("> **Measured**") for line in first)
    assert any(line.startswith("![") for line in first)
    commands = (ROOT / "README.md").read_text(encoding="utf-8").split("## Set up\n\n", 1)[1].split("\n\n")[0]
    assert [line.split("#")[0].strip() for line in commands.splitlines()] == ["make quickstart", "make test"]


def test_the_calibrations_page_is_that_of_the_stored_rows() -> None:
    """If this fails after a new measurement: python benchmarks/calibration_page.py."""
    calibration = runpy.run_path(str(ROOT / "benchmarks" / "calibration_page.py"))
    result = json.loads(calibration["STORED"].read_text(encoding="utf-8"))
    page = calibration["PAGE"].read_text(encoding="utf-8")
    assert calibration["page"](page, result) == page
    assert {calibration["section"](row) for row in result["rows"]} == set(calibration["SECTIONS"])
    for row in result["rows"]:
        assert row["wrong"] <= calibration["MOST_WRONG"], row
        assert (calibration["kept"](row)) == ("(misses)" not in calibration["line"](row))
    few = {"coverage": {"synchronisation": 0.5, "shape": 0.95}, "right": 0.0, "wrong": 0.0, "replications": 100}
    assert not calibration["kept"]({**few, "reasons": {"undecided": 100}})
    assert calibration["kept"]({**few, "reasons": {"undecided": 4, "lack_of_fit": 96}})
    assert not calibration["kept"]({**few, "right": 1.0, "reasons": {}, "coverage": {"shape": 0.95}, "wrong": 0.03})
