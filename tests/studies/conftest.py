"""The shipped study files, seen from a folder that has the data they read."""

from pathlib import Path

import pytest

from ana_search.shipped import shipped_folder

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted(shipped_folder().glob("*.toml"))
CIFAR = REPOSITORY / "data" / "cifar10-jpeg"


@pytest.fixture
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in the repository, where data/ lies; roots in study files count from there."""
    monkeypatch.chdir(REPOSITORY)


def skip_without_data(file: Path) -> None:
    """Skip a study on the CIFAR-10 images where they have not been unpacked."""
    if "data/cifar10-jpeg" in file.read_text() and not CIFAR.is_dir():
        pytest.skip(f"{CIFAR} is missing: `make data/cifar10-jpeg` unpacks it where the archive is at hand")
