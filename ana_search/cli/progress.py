"""What `launch` shows on stderr while a study runs: a live table on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO, cast

from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ana_search.cli.console import console_for, format_duration, format_value
from ana_search.cli.streams import Lossy

if TYPE_CHECKING:
    from ana_search.history import Epoch
    from ana_search.space import TrialParams
    from ana_search.study_file import StudySpec

__all__ = ["ProgressDisplay", "progress_display"]

_ROWS = 16  # workers shown; more than that do not fit on a window
_INTERVAL = 15.0  # seconds between two plain lines


def progress_display(spec: "StudySpec") -> "ProgressDisplay":
    """Return the display of one launch of ``spec``, on stderr."""
    return ProgressDisplay(spec.study.name)


@dataclass
class _Work:
    """What one worker does: a trial, how far it is, and its last validation accuracy."""

    trial: int
    epochs: int
    epoch: int = 0
    accuracy: float | None = None
    since: float = 0.0

    @property
    def fraction(self) -> float:
        return min(1.0, self.epoch / self.epochs) if self.epochs else 0.0


@dataclass
class _Tally:
    """How far the study is."""

    requested: int = 0
    finished: int = 0
    before: int = 0  # finished before this launch
    pruned: int = 0
    infeasible: int = 0
    failed: int = 0
    interrupted: int = 0
    best: tuple[int, float] | None = None
    work: dict[str, _Work] = field(default_factory=dict)

    def remaining(self, elapsed: float) -> float | None:
        """Return the seconds left at the rate of this launch (parts of trials count), or ``None``."""
        under_way = sum(work.fraction for work in self.work.values())
        done = self.finished - self.before + under_way
        if done <= 0 or elapsed <= 0:
            return None
        return max(0.0, self.requested - self.finished - under_way) * elapsed / done


class ProgressDisplay:
    """Shows a running study; used as a context manager around it.

    The runner tells it what happens through its methods, from any thread. None of them raises for an unknown worker,
    because a worker may be lost at any moment, and none because the stream is lost. On a terminal the picture is
    redrawn four times a second; elsewhere one line is written at most every ``interval`` seconds, and one at the end.
    """

    def __init__(
        self,
        name: str,
        *,
        stream: TextIO | None = None,
        interval: float = _INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._console = console_for(cast(TextIO, Lossy(stream or sys.stderr)))
        self._interval = interval
        self._clock = clock
        self._began = clock()
        self._last_line = float("-inf")
        self._tally = _Tally()
        self._live: Live | None = None
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._picture, console=self._console, refresh_per_second=4, transient=False
            )
            self._live.start()
        else:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with self._lock:
            self._tally.work.clear()
        if self._live is not None:
            self._live.stop()
            self._live = None
        else:
            self._ticker.join()
            self._line()

    def begin(self, *, finished: int, requested: int, best: tuple[int, float] | None = None) -> None:
        """Say how far the study already is, and restart the clock."""
        with self._lock:
            self._tally = _Tally(requested=requested, finished=finished, before=finished, best=best)
            self._began = self._clock()
            self._changed()

    def trial_started(self, worker: str, trial: int, epochs: int) -> None:
        """Say that ``worker`` starts a trial of so many epochs."""
        with self._lock:
            self._tally.work[worker] = _Work(trial, epochs, since=self._clock())
            self._changed()

    def epoch(self, worker: str, trial: int, epoch: int, epochs: int, accuracy: float | None = None) -> None:
        """Say that ``worker`` has finished ``epoch`` of ``epochs`` (counted from 1)."""
        with self._lock:
            work = self._tally.work.get(worker)
            if work is None or work.trial != trial:
                work = self._tally.work[worker] = _Work(trial, epochs, since=self._clock())
            work.epoch, work.epochs, work.accuracy = epoch, epochs, accuracy
            self._changed()

    def recorded(self, trial: int, params: "TrialParams", value: float, history: "Sequence[Epoch]") -> None:
        """Show nothing: `trial_ended` follows."""

    def trial_ended(self, worker: str, trial: int, state: str, *, finished: int) -> None:
        """Say that a trial ended in ``state`` (see `TrialRecord.shown_state`), and how many are finished now."""
        with self._lock:
            work = self._tally.work.get(worker)
            if work is not None and work.trial == trial:
                del self._tally.work[worker]
            self._tally.pruned += state == "PRUNED"
            self._tally.infeasible += state == "INFEASIBLE"
            self._tally.failed += state == "FAIL"
            self._tally.interrupted += state == "INTERRUPTED"
            self._tally.finished = finished
            self._changed()

    def best(self, trial: int, value: float) -> None:
        """Say which trial is the best so far."""
        with self._lock:
            self._tally.best = (trial, value)
            self._changed()

    def message(self, text: str) -> None:
        """Write one line that stays: a failure, a retry, an interruption."""
        self._console.print(Text(text), soft_wrap=True)

    def _tick(self) -> None:
        """Write a line now and then although nothing happens."""
        while not self._over.wait(max(0.05, min(self._interval, 1.0))):
            with self._lock:
                self._changed()

    def _changed(self) -> None:
        if self._live is None and self._clock() - self._last_line >= self._interval:
            self._line()

    def _line(self) -> None:
        self._last_line = self._clock()
        running = len(self._tally.work)
        parts = [f"{self._name}: {self._finished()}", self._best()]
        parts += [f"{running} running"] if running else []
        parts += self._losses() + self._times()
        self._console.print(Text(", ".join(parts)), soft_wrap=True)

    def _picture(self) -> RenderableType:
        """Return the picture of this moment: totals, a bar, and one row a worker."""
        with self._lock:
            return self._draw(self._tally)

    def _draw(self, tally: _Tally) -> RenderableType:
        done = tally.finished + sum(work.fraction for work in tally.work.values())
        head = Text.assemble(
            (self._name, "bold"), f"  {self._finished()}  ", (self._best(), "green" if tally.best else "dim")
        )
        tail = Text(", ".join(self._losses() + self._times()), style="dim")
        bar = Table.grid()  # rich ends the line of a table, and not that of a bar alone
        bar.add_row(ProgressBar(total=max(1, tally.requested), completed=min(done, tally.requested), width=60))
        parts: list[RenderableType] = [head, bar, tail]
        return Group(*parts, self._workers()) if tally.work else Group(*parts)

    def _workers(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for header in ("worker", "trial", "epoch", "accuracy", "since"):
            table.add_column(header, justify="left" if header == "worker" else "right")
        work = sorted(self._tally.work.items(), key=lambda item: (len(item[0]), item[0]))
        for worker, one in work[:_ROWS]:
            since = format_duration(self._clock() - one.since)
            epochs = f"{one.epoch}/{one.epochs}" if one.epochs else "-"
            table.add_row(worker, str(one.trial), epochs, format_value(one.accuracy), since)
        if len(work) > _ROWS:
            table.add_row(f"and {len(work) - _ROWS} more", "", "", "", "")
        return table

    def _finished(self) -> str:
        tally = self._tally
        return f"{tally.finished}/{tally.requested} finished" if tally.requested else "starting"

    def _best(self) -> str:
        best = self._tally.best
        return "no result yet" if best is None else f"best {format_value(best[1])} (trial {best[0]})"

    def _losses(self) -> list[str]:
        tally = self._tally
        counts = {"pruned": tally.pruned, "infeasible": tally.infeasible, "failed": tally.failed}
        counts["interrupted (run again)"] = tally.interrupted
        return [f"{count} {name}" for name, count in counts.items() if count]

    def _times(self) -> list[str]:
        elapsed = self._clock() - self._began
        left = self._tally.remaining(elapsed)
        times = [f"elapsed {format_duration(elapsed)}"]
        if left is not None and self._tally.finished < self._tally.requested:
            times.append(f"about {format_duration(left)} left")
        return times
