"""The run directory of a study: its SQLite file and one folder a trial."""

import re
from dataclasses import dataclass
from pathlib import Path

from ana_search.errors import StudyNotFoundError

__all__ = ["DEFAULT_RUNS", "RunFolder"]

DEFAULT_RUNS = Path("runs")
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class RunFolder:
    """``runs/<study>/``. Making one checks the name; nothing is created until something is written.

    Raises:
        StudyNotFoundError: a name that is not safe as a folder's.
    """

    runs: Path
    study: str

    def __post_init__(self) -> None:
        if not _SAFE_NAME.fullmatch(self.study):
            raise StudyNotFoundError(
                f"study name {self.study!r}; allowed: letters, digits, '_', '-' and '.', at most 64 and the "
                "first a letter or digit"
            )

    @property
    def path(self) -> Path:
        """The folder itself, absolute."""
        return self.runs.resolve() / self.study

    @property
    def database(self) -> Path:
        """The study's SQLite file, where no other storage is named."""
        return self.path / "study.db"

    @property
    def artifacts(self) -> Path:
        """The folder of the files that the dashboard offers."""
        return self.path / "artifacts"

    @property
    def floats(self) -> Path:
        """The folder of the networks in floating point that trials learn from."""
        return self.path / "float"

    def trial(self, number: int) -> Path:
        """The folder of one trial: checkpoint.pt while it runs; network.pt, history.json and plan.json after."""
        return self.path / "trials" / str(number)

    def checkpoint(self, number: int) -> Path:
        """The file that a trial's run goes on from."""
        return self.trial(number) / "checkpoint.pt"

    def network(self, number: int) -> Path:
        """The trained weights of a finished trial."""
        return self.trial(number) / "network.pt"

    def frozen(self, number: int) -> Path:
        """What was measured of a trial's integer network when it was exported: ``{"accuracy": ...}``."""
        return self.trial(number) / "frozen.json"
