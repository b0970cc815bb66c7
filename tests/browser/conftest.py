"""A headless Chromium that records every request, and a folder for its screenshots.

Debian's browser is used where it is installed (`.ci/run` installs it); without it these tests are skipped, and
say so.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
REMOTE = {"http", "https", "ws", "wss"}
LOCAL = {"127.0.0.1", "localhost"}


def leaves(url: str) -> bool:
    """Return whether a request for ``url`` would leave the machine."""
    parts = urlsplit(url)
    return parts.scheme in REMOTE and parts.hostname not in LOCAL


PATIENCE = 120_000  # milliseconds; a page takes well under a second where nothing else runs


class Visit:
    """One page, with what it asked for and what it complained about."""

    def __init__(self, page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.problems: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._console)

    def _console(self, message) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    @property
    def outside(self) -> list[str]:
        """The requests that would have left the machine."""
        parts = [(url, urlsplit(url)) for url in self.requests]
        return [
            url for url, part in parts if part.scheme in ("http", "https", "ws", "wss") and part.hostname not in LOCAL
        ]

    def open(self, url: str, *texts: str) -> None:
        """Open an address and wait until every text is on the page."""
        self.page.goto(url)
        for text in texts:
            self.page.get_by_text(text).first.wait_for()

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Keep a screenshot as ``test-artifacts/NAME.png``."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.wait_for_timeout(700)  # animations of the page end
        self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=whole)


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("no chromium on this machine: apt-get install chromium (see .ci/run)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make install-dev")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium) -> Iterator[Visit]:
    """A fresh page of 1280 by 900 pixels; a request that would leave the machine is stopped and recorded."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    context.set_default_navigation_timeout(PATIENCE)
    visit = Visit(context.new_page())

    def stop(route) -> None:
        if leaves(route.request.url):
            route.abort()
        else:
            route.continue_()

    context.route("**/*", stop)
    yield visit
    context.close()
