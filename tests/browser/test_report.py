"""The report as a person reads it: without network, on a wide and on a narrow screen, and without good eyes."""

from pathlib import Path

import pytest

from analysis import report
from tests.browser.conftest import Visit
from tests.browser.sample import sample_frame, sample_histories

pytestmark = pytest.mark.slow

WIDTHS = {"wide": 1280, "narrow": 390}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = sample_frame()
    folder = tmp_path_factory.mktemp("report")
    info = {
        "name": "quickstart",
        "spec": {"study": {"name": "quickstart", "seeds": 2}, "space": {"noise": sorted(frame["noise"].unique())}},
        "commands": ["ana-search launch quickstart", f"ana-search analyse quickstart --out {'results/' * 20}"],
    }
    return report(frame, folder, info=info, histories=sample_histories(frame)).files["report.html"]


def opened(visit: Visit, file: Path, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.page.context.set_offline(True)
    visit.page.goto(file.as_uri())


@pytest.mark.parametrize("screen", WIDTHS)
def test_pictures_load_and_nothing_overflows(page_file, visit, screen):
    opened(visit, page_file, WIDTHS[screen])
    pictures = visit.page.eval_on_selector_all("img", "all => all.map(one => [one.naturalWidth, one.complete])")
    assert len(pictures) >= 4
    assert all(width > 0 and complete for width, complete in pictures)
    visit.shoot(f"report-{screen}", whole=True)
    # Their letters are 9 points on a width of 7.2 inches: narrower than this they could not be read.
    drawn = visit.page.eval_on_selector_all("img", "all => all.map(one => one.getBoundingClientRect().width)")
    assert min(drawn) >= 600
    wide = visit.page.evaluate(
        """() => [...document.querySelectorAll("body, body *")]
            .filter(one => one.getBoundingClientRect().right > window.innerWidth + 1 && !scrolls(one))
            .map(one => one.tagName + "." + one.className);
           function scrolls(one) {
               for (let at = one.parentElement; at; at = at.parentElement)
                   if (["auto", "scroll"].includes(getComputedStyle(at).overflowX)) return true;
               return false;
           }"""
    )
    assert wide == []
    assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert visit.outside == []
    assert visit.problems == []


def test_the_verdict_is_on_the_first_screen(page_file, visit):
    opened(visit, page_file, WIDTHS["wide"])
    box = visit.page.get_by_text("synchronisation").first.bounding_box()
    assert box is not None
    assert box["y"] < 900
    visit.shoot("report-first-screen")


@pytest.mark.parametrize("screen", WIDTHS)
def test_contrast_and_alternative_texts(page_file, visit, screen):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="make install-dev installs it")
    opened(visit, page_file, WIDTHS[screen])
    found = axe.Axe().run(visit.page)
    told = {one["id"]: [node["html"][:120] for node in one["nodes"]] for one in found.response["violations"]}
    assert told == {}
    checked = {one["id"] for one in found.response["passes"]}
    assert {"color-contrast", "image-alt"} <= checked
    assert visit.outside == []
