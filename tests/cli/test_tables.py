"""Tables for people, JSON for programs."""

import io
import json
import math

import numpy as np
import pytest

from ana_search.cli import tables
from ana_search.cli.console import format_value, print_json
from ana_search.cli.options import Format

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


def printed(function, data, output=Format.table) -> str:
    stream = io.StringIO()
    function(data, output, stream)
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
        "workers": [
            {"worker": "w0", "trial": 9, "epoch": 3, "epochs": 20, "accuracy": 0.5},
            {"trial": 10, "seconds": 75.2},
        ],
        "remaining_seconds": 3700.0,
    }
    text = printed(tables.print_status, STATUS | more)
    assert "w0, trial 9, epoch 3/20, accuracy 0.5000" in text
    assert "trial 10, for 1:15" in text
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
    assert all(line == line.rstrip() for line in text.splitlines())
    assert text.strip("\n") == text[:-1]


def test_colours_on_a_terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    tables.print_status(STATUS, stream=stream)
    assert "\x1b[" in stream.getvalue()


def test_check_lists_space_and_facts():
    searched = [{"searched": "noise", "values": "uniform | normal", "scope": "network"}]
    summary = {"study": "q", "parameters": searched, "cells": 64, "wall_seconds": 300.0}
    text = printed(tables.print_check, summary)
    for piece in ("noise", "uniform | normal", "cells", "64", "wall", "5:00"):
        assert piece in text
    assert "every parameter is fixed" in printed(tables.print_check, {"study": "q", "parameters": []})


def test_verdict_names_groups_with_their_intervals():
    share = {"share": 0.523, "ci_low": 0.4, "ci_high": 0.65, "sd_points": 4.21}
    result = {
        "question": "Shape or synchronisation?",
        "verdict": "inconclusive",
        "reasons": ["no_replicates"],
        "level": 0.95,
        "groups": {"synchronisation": share, "shape": share | {"share": 0.01}},
        "noise_floor": {"share": 0.3, "ci_low": 0.2, "ci_high": 0.4},
        "n": {"used": 64, "failed": 0},
        "report": "results/report.html",
        "next": "ana-search dashboard q",
    }
    text = printed(tables.print_verdict, result)
    for piece in (
        "Verdict: inconclusive",
        "no_replicates",
        "52.3 %",
        "40.0 % to 65.0 %",
        "seed alone",
        "64 used",
        "4.21",
    ):
        assert piece in text
    assert "report: results/report.html" in text
    text = printed(tables.print_verdict, result | {"noise_floor": share | {"source": "residual"}})
    assert "unexplained" in text
    assert "seed alone" not in text
    assert "next: ana-search dashboard q" in text


def test_manifest_shows_files_sizes_and_accuracies():
    model = {
        "trial": 3,
        "file": "trial-3.onnx",
        "format": "onnx",
        "bytes": 1000,
        "float_bytes": 15500,
        "accuracy": {"validation": 0.9, "frozen": 0.91, "test": None},
    }
    text = printed(tables.print_manifest, {"models": [model]})
    for piece in ("trial-3.onnx", "15.5x", "0.9000", "0.9100"):
        assert piece in text
    assert "No model" in printed(tables.print_manifest, {"models": []})


def test_plain_results_are_shown_whatever_their_shape():
    text = printed(tables.print_rerun, {"trial": 3, "equal": True, "recorded": 0.5, "repeated": 0.5})
    assert "yes" in text
    text = printed(tables.print_confirm, {"trials": [{"number": 3, "test": 0.5}], "seeds": 4})
    assert "0.5000" in text
    assert "seeds" in text


@pytest.mark.parametrize(
    ("function", "data"),
    [
        (tables.print_status, STATUS),
        (tables.print_best, [{"number": 1, "value": 0.5, "params": {}, "seed": 1, "plan_hash": "a"}]),
        (tables.print_best, []),
        (tables.print_studies, []),
        (tables.print_manifest, {"models": []}),
    ],
)
def test_json_is_the_data_itself(function, data):
    assert json.loads(printed(function, data, Format.json)) == data


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.95412345, "0.9541"),
        ([0.9, 1280], "0.9000, 1280"),
        (None, "-"),
        (True, "yes"),
        (math.nan, "-"),
        (3e-5, "3e-05"),
    ],
)
def test_values(value, text):
    assert format_value(value) == text


@pytest.mark.parametrize("text", ["[red]", "a:smile:b", "\\[x]"])
def test_names_are_printed_literally(text):
    assert text in printed(tables.print_studies, [{"name": text}])


def test_json_is_strict():
    stream = io.StringIO()
    print_json({"a": math.nan, "b": [np.float64(0.5), np.int64(3), math.inf], "c": "é"}, stream)
    assert json.loads(stream.getvalue()) == {"a": None, "b": [0.5, 3, None], "c": "é"}
