"""Studies on the digits network, made from a few lines of TOML."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ana_search.study_file import StudySpec, load_study_file

MakeStudy = Callable[..., StudySpec]
KEPT = "kept"

_TEMPLATE = """\
[study]
name = "made"
{study}
[data]
name = "digits"
{data}
[network]
name = "digits_cnn"
width = 4
[training]
epochs = {epochs}
[space]
{space}
"""


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    def make(space: str, study: str = 'sampler = "random"', *, data: str = "", epochs: int = 18) -> StudySpec:
        path = tmp_path / "made.toml"
        path.write_text(_TEMPLATE.format(space=space, study=study, data=data, epochs=epochs))
        return load_study_file(path)

    return make


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of runs with the study `KEPT` of two trials, as a launch leaves it; not to be changed."""
    from tests.runner.studies import two_trials  # which knows Optuna, as few tests need to

    return two_trials(tmp_path_factory.mktemp("whole"), KEPT)


@pytest.fixture
def runs(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder."""
    return Path(shutil.copytree(whole, tmp_path / "runs"))


# A shell that runs the tests in the background makes them ignore Ctrl-C, and every command that they start; `nohup`
# does so with SIGHUP.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# These start Ray, servers or commands: they begin first, so that no process of pytest is left with them at the end.
_LONG = ("runner", "dispatch", "cli", "studies", "dashboard", "docs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the folders of long tests first; the order is otherwise left alone."""
    items.sort(key=lambda item: item.path.parent.name not in _LONG)
