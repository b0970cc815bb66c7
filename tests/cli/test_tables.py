"""Tables for people, JSON for programs."""

import io
import json
import math

import numpy as np
import pytest

from ana_search.cli import tables

STATUS = {
    "study": "quickstart",
    "states": {"COMPLETE": 12, "PRUNED": 0, "FAIL": 1, "RUNNING": 2, "WAITING": 0},
    "finished": 12,
    "requested": 64,
    "best": {"number": 7, "value": 0.9542, "params": {"noise": "normal", "alpha": 1.23456789}},
    "retries": 1,
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(function, *arguments) -> str:
    stream = io.StringIO()
    function(*arguments, stream)
    return stream.getvalue()


def test_status_says_what_counts():
    text = printed(tables.print_status, STATUS)
    for piece in (
        "quickstart",
        "12 of 64 (19%)",
        "1 FAIL",
        "2 RUNNING",
        "0.9542 (trial 7)",
        "noise=normal",
        "alpha=1.235",
    ):
        assert piece in text
    assert "PRUNED" not in text


def test_status_shows_workers_and_times_where_known():
    more = {
        "driver": "host 4711",
        "workers": [{"worker": "w0", "trial": 9, "epoch": 3, "epochs": 20, "accuracy": 0.5}],
        "remaining_seconds": 3700.0,
    }
    text = printed(tables.print_status, STATUS | more)
    assert "w0: trial 9, epoch 3/20, accuracy 0.5000" in text
    assert "about 1:01:40" in text
    assert "host 4711" in text


def test_status_of_a_study_without_any_trial():
    empty = {"study": "x", "states": {}, "finished": 0, "requested": 0, "best": None, "retries": 0}
    assert "none yet" in printed(tables.print_status, empty)


def test_status_of_two_objectives_lists_the_front():
    front = [{"number": n, "value": [0.9, 1280 * n], "params": {}} for n in (1, 2)]
    text = printed(tables.print_status, STATUS | {"best": front})
    assert "0.9000, 1280 (trial 1)" in text
    assert "0.9000, 2560 (trial 2)" in text


def test_best_says_shared_parameters_once():
    rows = [
        {"number": n, "value": 0.9, "params": {"noise": "normal", "alpha": n}, "seed": 5, "plan_hash": "ab"}
        for n in (1, 2)
    ]
    text = printed(tables.print_best, rows)
    assert text.count("normal") == 1
    assert "in all of them: noise=normal" in text
    assert "No trial has finished yet" in printed(tables.print_best, [])


def test_no_colours_and_no_cuts_outside_a_terminal():
    rows = [{"name": "n" * 300, "trials": 4}]
    text = printed(tables.print_studies, rows)
    assert "n" * 300 in text
    assert "\x1b" not in text


def test_colours_on_a_terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    tables.print_status(STATUS, stream)
    assert "\x1b[" in stream.getvalue()


def test_check_lists_space_and_facts():
    text = printed(
        tables.print_check,
        "q",
        [("noise", "uniform | normal", "network")],
        {"cells": "64", "cost": "about 5:00"},
    )
    for piece in ("noise", "uniform | normal", "cells", "64", "about 5:00"):
        assert piece in text
    assert "every parameter is fixed" in printed(tables.print_check, "q", [], {})


@pytest.mark.parametrize("text", ["[red]", "a:smile:b", "\\[x]"])
def test_names_are_printed_literally(text):
    assert text in printed(tables.print_studies, [{"name": text}])


def test_json_is_strict():
    stream = io.StringIO()
    tables.print_json({"a": math.nan, "b": [np.float64(0.5), np.int64(3), math.inf], "c": "é"}, stream)
    assert json.loads(stream.getvalue()) == {"a": None, "b": [0.5, 3, None], "c": "é"}
