"""Ray for the tests of one file, and a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runner.postgres import Postgres
from tests.runner.user_code import install


@pytest.fixture(scope="module")
def module_patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def two_workers(module_patch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Ray of two CPUs on this machine, with a user's faulty networks installed; shared by the tests of a file."""
    import ray

    from ana_search.dispatch import ray_connect

    install(tmp_path_factory.mktemp("site"), module_patch)
    module_patch.setattr(ray_connect, "local_resources", lambda: {"CPU": 2.0, "GPU": 0.0})
    ray_connect.connect(None)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; a test that stops it starts it again."""
    with Postgres() as server:
        yield server


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"
