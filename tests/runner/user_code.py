"""Networks of a user's own, installed for this process and the workers that it starts, with the faults of users."""

import os
import sys
from pathlib import Path

import pytest

_CODE = '''
import os
import signal

import torch
from torch import nn


class Fault(nn.Module):
    """Computes nothing; raises, takes too much memory or ends the process in training, with more than a dry run has."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        if not self.training or len(x) <= 8:
            return x
        if self.kind == "raise":
            raise ZeroDivisionError("my own mistake")
        if self.kind == "memory":
            torch.empty(2**50)
        if self.kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "exit":
            raise SystemExit("a library that ends the process")
        return x


def _network(kind):
    def make(input_shape, classes, width=4):
        channels, height, across = input_shape
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), Fault(kind), nn.Flatten(),
            nn.Linear(width * height * across, classes),
        )
    return make


raises = _network("raise")
takes_all_memory = _network("memory")
leaves = _network("exit")
dies = _network("die")
'''
_ENTRY_POINTS = """[ana_search.networks]
raises = faulty_networks:raises
takes_all_memory = faulty_networks:takes_all_memory
leaves = faulty_networks:leaves
dies = faulty_networks:dies
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a distribution with faulty networks on the path of this process and its children."""
    (folder / "faulty_networks.py").write_text(_CODE)
    metadata = folder / "faulty_networks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-networks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(_ENTRY_POINTS)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
