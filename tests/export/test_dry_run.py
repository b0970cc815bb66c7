"""Faults of a network that the search would not meet before its end, and that are told before its start."""

import sys
import time
from pathlib import Path

import pytest
import torch

from ana_search import load_study_file, make_plan, train
from ana_search.errors import AnaSearchError, ExportRequestError, NetworkError
from ana_search.export.dry_run import dry_run
from ana_search.shipped import shipped_studies
from ana_search.studies import load_study_file as load_any

CODE = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, kind, classes=10):
        super().__init__()
        self.kind = kind
        self.conv = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.Hardtanh()
        self.hidden = nn.Linear(256, 8, bias=False)
        self.norm2 = nn.BatchNorm1d(8)
        self.act2 = nn.Hardtanh()
        self.last = nn.Linear(8, 3 if kind == "three outputs" else classes)
        if kind == "idle":
            self.spare = nn.Linear(2, 2)

    def forward(self, x):
        x = self.act(self.norm(self.conv(x)))
        if self.kind == "cosine":
            x = torch.cos(x)
        if self.kind == "item" and x.sum().item() > 1e9:
            x = -x
        if self.kind == "in training" and self.training:
            raise ZeroDivisionError("my own mistake")
        if self.kind == "shape":
            x = x[:, :, 1:]
        if self.kind == "no gradient":
            x = x.detach().clone()
        x = x.view(x.size(0), -1) if self.kind == "view" else x.flatten(1)
        x = self.act2(self.norm2(self.hidden(x)))
        return (self.last(x), x) if self.kind == "pair" else self.last(x)


def make(input_shape, classes, kind="good"):
    return Net(kind, classes)
"""
STUDY = """\
[study]
name = "tried"
sampler = "random"
[data]
name = "digits"
train_size = 200
[network]
name = "net.py:make"
kind = "KIND"
[training]
epochs = 1
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "net.py").write_text(CODE)
    return tmp_path / "study.toml"


def tried(study: Path, kind: str, more: str = "") -> list[str]:
    study.write_text(STUDY.replace("KIND", kind).replace("[data]", f"{more}\n[data]"))
    return dry_run(load_study_file(study, allow_import=True))


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("three outputs", AnaSearchError, "gives 3 outputs; the data have 10 classes"),
        ("pair", AnaSearchError, "gives a tuple; a tensor"),
        ("in training", NetworkError, "fails on a batch of 4 examples of shape .*ZeroDivisionError: my own mistake"),
        ("shape", NetworkError, r"fails on a batch .* in hidden \(QuantLinear\): RuntimeError"),
        (
            "cosine",
            ExportRequestError,
            r"could not be exported .*cos.*; or export = false in \[study\]",
        ),
        ("item", ExportRequestError, "could not be exported after the search: .*no branches on values"),
    ],
)
def test_what_would_fail_is_told_with_its_place(study: Path, kind: str, error: type[Exception], message: str) -> None:
    began = time.monotonic()
    with pytest.raises(error, match=message):
        tried(study, kind)
    assert time.monotonic() - began < 60  # ten seconds on a machine of its own


@pytest.mark.parametrize("kind", ["cosine", "item"])
def test_a_network_that_is_not_exported_may_be_searched(study: Path, kind: str) -> None:
    (note,) = tried(study, kind, "export = false")
    assert "stay in floating point" in note


def test_a_good_network_has_no_notes(study: Path) -> None:
    assert tried(study, "good") == []


def test_weights_without_a_part_in_the_output_are_named(study: Path) -> None:
    (note,) = tried(study, "idle", "export = false")
    assert "2 parameters have no part in its output (spare" in note


def test_torchs_random_state_is_left_alone(study: Path) -> None:
    state = torch.get_rng_state()
    tried(study, "good")
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_that_cannot_be_channels_last_trains_without(study: Path) -> None:
    """A view of what a channels-last convolution gives fails; both networks compute the same."""
    accuracies = []
    for kind in ("view", "good"):
        assert tried(study, kind) == []
        plan = make_plan(load_study_file(study, allow_import=True), {}, seed=3)
        result = train(plan)
        accuracies.append(result.accuracy)
        (weight,) = [value for name, value in result.network.named_parameters() if name == "conv.weight"]
        assert weight.is_contiguous(memory_format=torch.channels_last) or kind == "view"
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.1)


@pytest.mark.parametrize("name", [row["study"] for row in shipped_studies() if row["study"] != "cifar10_small"])
def test_shipped_studies_pass(name: str) -> None:
    assert dry_run(load_any(name)) == []
