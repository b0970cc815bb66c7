"""The display of `launch`: plain lines in a log, a live picture on a terminal."""

import inspect
import io
import re
import time

from ana_search.cli.progress import ProgressDisplay
from ana_search.runner.progress import Silent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_lines_come_at_intervals_and_once_at_the_end():
    stream, clock = io.StringIO(), Clock()
    with ProgressDisplay("digits", stream=stream, interval=10, clock=clock) as display:
        display.begin(finished=2, requested=10)
        for number in range(2, 6):
            clock.now += 6
            display.trial_started("w0", number, 20)
            display.trial_ended("w0", number, "COMPLETE", finished=number + 1)
        display.best(4, 0.9)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "digits: 2/10 finished, no result yet, elapsed 0:00"
    assert len(lines) == 1 + 2 + 1
    assert lines[-1] == "digits: 6/10 finished, best 0.9000 (trial 4), elapsed 0:24, about 0:24 left"
    assert "\x1b" not in stream.getvalue()


def test_time_left_counts_parts_of_trials_and_only_this_launch():
    stream, clock = io.StringIO(), Clock()
    with ProgressDisplay("d", stream=stream, interval=0, clock=clock) as display:
        display.begin(finished=100, requested=110)
        clock.now = 30
        display.epoch("w0", 100, 10, 20, 0.5)  # half a trial in 30 s: 9.5 left at a minute each
    assert "about 9:30 left" in stream.getvalue()


def test_messages_stay_and_failures_are_counted():
    stream = io.StringIO()
    with ProgressDisplay("d", stream=stream, clock=Clock()) as display:
        display.begin(finished=0, requested=4)
        display.message("trial 3 failed: worker lost [again]")
        display.trial_ended("w9", 3, "FAIL", finished=0)
        display.trial_ended("w9", 4, "PRUNED", finished=1)
    assert "trial 3 failed: worker lost [again]\n" in stream.getvalue()
    assert "1 pruned, 1 failed" in stream.getvalue().splitlines()[-1]


def test_the_end_of_another_trial_leaves_the_worker_alone():
    stream, clock = io.StringIO(), Clock()
    with ProgressDisplay("d", stream=stream, interval=0, clock=clock) as display:
        display.begin(finished=0, requested=4)
        display.trial_started("w0", 5, 20)
        display.trial_ended("w0", 4, "FAIL", finished=0)
        assert "1 running" in stream.getvalue().splitlines()[-1]


def test_the_terminal_shows_what_each_worker_does(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    stream, clock = Terminal(), Clock()
    with ProgressDisplay("digits", stream=stream, clock=clock) as display:
        display.begin(finished=3, requested=10, best=(1, 0.87))
        display.epoch("slot 0", 7, 5, 20, 0.61)
        display.trial_started("slot 1", 8, 20)
        for worker in range(2, 30):
            display.trial_started(f"slot {worker}", worker, 20)
        clock.now = 60
        display._live.refresh()
        picture = plain(stream.getvalue())
    assert not re.search("[━╸╺].*elapsed", picture)  # the bar has a line of its own
    for piece in ("3/10 finished", "best 0.8700 (trial 1)", "5/20", "0.6100", "0/20", "1:00", "and 14 more"):
        assert piece in picture


def test_an_error_leaves_the_terminal_in_order(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    try:
        with ProgressDisplay("d", stream=stream) as display:
            display.begin(finished=0, requested=1)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert stream.getvalue().rstrip().endswith("\x1b[?25h")  # the cursor is shown again


def test_lines_go_on_while_nothing_happens():
    stream = io.StringIO()
    with ProgressDisplay("d", stream=stream, interval=0.05) as display:
        display.begin(finished=0, requested=4)
        display.trial_started("w0", 0, 1)
        deadline = time.monotonic() + 20
        while len(stream.getvalue().splitlines()) < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
    assert len(stream.getvalue().splitlines()) >= 5


def test_it_is_what_the_driver_tells():
    names = {name for name in vars(Silent) if not name.startswith("_")}
    assert names <= set(dir(ProgressDisplay))
    for name in names:
        shown, silent = (inspect.signature(getattr(kind, name)).parameters for kind in (ProgressDisplay, Silent))
        assert [(one.name, one.kind, one.default) for one in shown.values()] == [
            (one.name, one.kind, one.default) for one in silent.values()
        ]
