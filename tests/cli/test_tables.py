"""Tables for people that fit their window, JSON for programs."""

import io
import json
import math
import re

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
    "failures": {"its worker died": 2},
    "driver": "process 4711 on host",
    "workers": [{"trial": 10, "seconds": 75.2}, {"trial": 11, "seconds": None}],
    "remaining_seconds": 3700.0,
}
DEEP = {f"{name}.{layer}": value for name, value in (("noise", "normal"), ("offset", 0.125)) for layer in range(9)}
BEST = [
    {"number": n, "value": 0.9 - n / 100, "params": DEEP | {"offset.3": n / 10, "alpha": 1.0}, "seed": 1853586473,
     "plan_hash": "9902dd10f9ae1d44"} for n in range(3)
]  # fmt: skip
SHARE = {"share": 0.523, "ci_low": 0.4, "ci_high": 0.65, "sd_points": 4.21}
VERDICT = {
    "question": "Which drives the accuracy of a quantised network: " + "the one or the other, " * 10,
    "verdict": "inconclusive",
    "reasons": ["no_replicates"],
    "explanations": ["no cell was run with more than one seed, so that the noise is unknown " * 2],
    "level": 0.95,
    "groups": {"synchronisation": SHARE, "shape": SHARE | {"share": 0.01}},
    "noise_floor": {"share": 0.3, "ci_low": 0.2, "ci_high": 0.4},
    "n": {"used": 64, "failed": 0},
    "report": "results/report.html",
    "models": ["results/models/trial-0041.onnx"],
    "next": "ana-search dashboard q",
}
MANIFEST = {
    "models": [
        {
            "trial": 3,
            "file": "trial-0003.qonnx.onnx",
            "format": "qonnx",
            "bytes": 1_234_567,
            "float_bytes": 15_500_000,
            "verified": True,
            "accuracy": {
                "validation": 0.9,
                "frozen": 0.91,
                "test": {"mean": 0.888, "low": 0.87, "high": 0.9, "level": 0.95, "accuracies": [0.88, 0.896]},
            },
        }
    ]
}
CONFIRM = {
    "study": "q",
    "level": 0.95,
    "confirmed": [
        {"trials": [3, 9, 12], "search": 0.91, "test": 0.9, "low": 0.88, "high": 0.92, "validation": 0.905,
         "accuracies": [0.9] * 12, "seeds": [1853586473] * 12, "params": DEEP | {"offset.3": 0.5}}
    ] * 2,
}  # fmt: skip
CHECK = {
    "study": "q",
    "parameters": [{"parameter": "noise", "values": "uniform, normal, " * 12, "scope": "network"}],
    "cells": 64,
    "trials": 128,
    "device": "CPU, 1 thread",
    "epoch_seconds": 0.066,
    "trial_seconds": 1.3,
    "device_hours": 0.0041,
    "workers": 1,
    "wall_seconds": 14.76,
}
STUDIES = [{"study": "q", "question": "Which? " * 30, "cost": "64 trials, " * 12, "command": "ana-search launch q"}]
RERUN = {"trial": 3, "recorded": 0.5, "repeated": 0.5, "equal": True, "plan_hash": "9902dd10f9ae1d44", "seconds": 2.0}
ALL = [
    (tables.print_status, STATUS),
    (tables.print_best, BEST),
    (tables.print_verdict, VERDICT),
    (tables.print_manifest, MANIFEST),
    (tables.print_confirm, CONFIRM),
    (tables.print_check, CHECK),
    (tables.print_studies, STUDIES),
    (tables.print_rerun, RERUN),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _no_width(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)


def printed(function, data, output=Format.table) -> str:
    stream = io.StringIO()
    function(data, output, stream)
    return stream.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("columns", [None, 60, 80, 200])
@pytest.mark.parametrize(("function", "data"), ALL, ids=lambda value: getattr(value, "__name__", ""))
def test_everything_fits_its_window(function, data, columns, monkeypatch):
    if columns is not None:
        monkeypatch.setenv("COLUMNS", str(columns))
    text = printed(function, data)
    assert max(len(line) for line in text.splitlines()) <= (columns or 80), text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert text.strip("\n") == text[:-1]
    assert "\x1b" not in text


def test_commands_and_paths_are_never_wrapped():
    long = "ana-search launch 'my studies/a study of mine with a long name.toml' --runs '/where there is room'"
    text = printed(tables.print_verdict, VERDICT | {"next": long, "report": "r" * 200, "models": ["m" * 200]})
    assert f"\nnext: {long}\n" in text
    assert "r" * 200 in text
    assert "m" * 200 in text
    assert f"\n    {long}" in printed(tables.print_studies, [STUDIES[0] | {"command": long}])


def test_status_says_what_counts():
    text = printed(tables.print_status, STATUS)
    for piece in (
        "quickstart",
        "12 of 64 (19%)",
        "1 FAIL",
        "2 RUNNING",
        "0.9542 (trial 7)",
        "noise = normal, alpha = 1.235",
        "trial 10, for 1:15",
        "trial 11\n",
        "about 1:01:40",
        "process 4711 on host",
        "2 x its worker died",
    ):
        assert piece in text
    assert "PRUNED" not in text


def test_status_of_a_study_without_any_trial():
    empty = {"study": "x", "states": {}, "finished": 0, "requested": 0, "best": None, "retries": 0, "failures": {},
             "driver": None, "workers": [], "remaining_seconds": None}  # fmt: skip
    text = printed(tables.print_status, empty)
    assert "none yet" in text
    assert "not running" in text


def test_best_says_shared_parameters_once():
    rows = [row | {"params": {"noise": "normal", "alpha": row["number"]}} for row in BEST]
    text = printed(tables.print_best, rows)
    assert text.count("normal") == 1
    assert "in all of them:  noise = normal" in text
    assert "9902dd10f9ae1d44" in text
    assert "No trial has finished yet" in printed(tables.print_best, [])


def test_parameters_of_many_layers_are_said_below():
    rows = [row | {"params": {name: f"{v}{row['number']}" for name, v in DEEP.items()}} for row in BEST]
    text = words(printed(tables.print_best, rows))
    assert "trial 1: noise = normal1 in every layer, offset = 0.1251 in every layer" in text


def test_two_objectives_are_both_shown():
    text = printed(tables.print_best, [row | {"values": [row["value"], 1280]} for row in BEST])
    assert "1280" in text


def test_colours_on_a_terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    tables.print_status(STATUS, stream=stream)
    assert "\x1b[" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "workers", "said"),
    [
        (14.76, 1, "about 15 s with 1 worker on"),
        (0.4, 2, "about 0.4 s with 2 workers on"),
        (400.0, 2, "about 7 min with"),
        (9000.0, 8, "about 2 h with"),
        (7.4e6, 8, "about 86 days with"),
    ],
)
def test_check_says_how_long_it_takes(seconds, workers, said):
    text = words(printed(tables.print_check, CHECK | {"wall_seconds": seconds, "workers": workers}))
    assert said in text
    assert "device hours" not in text
    assert "cells 64" in text
    assert "552 device hours" in words(printed(tables.print_check, CHECK | {"device_hours": 552.3}))
    untimed = {name: CHECK[name] for name in ("study", "parameters", "cells")}
    assert "takes" not in printed(tables.print_check, untimed)
    assert "every parameter is fixed" in printed(tables.print_check, untimed | {"parameters": []})


def test_verdict_names_groups_with_their_intervals():
    text = printed(tables.print_verdict, VERDICT)
    for piece in ("Verdict: inconclusive", "52.3 %", "40.0 % to 65.0 %", "seed alone", "64 used", "4.21"):
        assert piece in text
    assert "because: no cell was run with more than one seed" in words(text)
    assert "report: results/report.html\nmodel: results/models/trial-0041.onnx\nnext: ana-search dashboard q" in text
    text = printed(tables.print_verdict, VERDICT | {"noise_floor": SHARE | {"source": "residual"}})
    assert "unexplained" in text
    assert "seed alone" not in text


def test_manifest_tells_the_network_in_the_file_from_networks_trained_anew():
    text = printed(tables.print_manifest, MANIFEST)
    for piece in ("trial-0003.qonnx.onnx", "1,234.6", "12.6x", "0.9000", "0.9100"):
        assert piece in text
    header = next(line for line in text.splitlines() if "kB" in line)
    assert re.sub(" +", " ", header.strip()) == "file kB smaller trained integers verified"
    said = words(text)
    assert "trial 3: networks trained anew with its parameters reach 0.8880 on the test images on average" in said
    assert "No model" in printed(tables.print_manifest, {"models": []})


def test_confirm_has_its_details_below():
    text = words(printed(tables.print_confirm, CONFIRM))
    assert "0.8800 to 0.9200" in text
    assert "trials 3, 9, 12 parameters noise = normal in every layer, offset = 0.125 | 0.125 | 0.125 | 0.5" in text


@pytest.mark.parametrize(("function", "data"), ALL, ids=lambda value: getattr(value, "__name__", ""))
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
    assert text in printed(tables.print_studies, [STUDIES[0] | {"study": text}])


def test_json_is_strict():
    stream = io.StringIO()
    print_json({"a": math.nan, "b": [np.float64(0.5), np.int64(3), math.inf], "c": "é"}, stream)
    assert json.loads(stream.getvalue()) == {"a": None, "b": [0.5, 3, None], "c": "é"}
