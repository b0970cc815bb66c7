"""One of each kind is added to a copy of the tree as CONTRIBUTING.md's table says, and used."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Addition:
    """What a newcomer writes: the row of the table, the code, its line in the register, and what the register imports.

    Code that belongs into the file of the register (``code`` starts with ``def``) is put before the register.
    """

    row: str
    code: str
    line: str
    imports: str = ""


ADDITIONS = {
    "cosine_noise": Addition(
        "a noise family",
        '''"""Raised-cosine noise."""

import math

import torch
from torch import Tensor

from ana_search.ana.noise.base import NoiseFamily


class Raised(NoiseFamily):
    """The density ``(1 + cos(pi z)) / 2`` on [-1, 1]."""

    name = "raised"
    interval = 1.0
    deviation = math.sqrt(1 / 3 - 2 / math.pi**2)
    reach = 1.0

    def cdf(self, z: Tensor) -> Tensor:
        z = z.clamp(-1.0, 1.0)
        return 0.5 * (1.0 + z + torch.sin(math.pi * z) / math.pi)

    def pdf(self, z: Tensor) -> Tensor:
        return torch.where(z.abs() < 1.0, 0.5 * (1.0 + torch.cos(math.pi * z)), 0.0)

    def quantile(self, v: Tensor) -> Tensor:
        low, high = torch.full_like(v, -1.0), torch.ones_like(v)
        for _ in range(50):
            middle = 0.5 * (low + high)
            above = self.cdf(middle) < 0.5 * (v + 1.0)
            low, high = torch.where(above, middle, low), torch.where(above, high, middle)
        return 0.5 * (low + high)
''',
        '    "raised": Raised(),',
        "from ana_search.ana.noise.raised import Raised",
    ),
    "method": Addition(
        "a method",
        '''"""The unclipped straight-through estimator."""

import torch

from ana_search.ana.methods.base import EXACT_FORWARD, Method, StraightThrough

UNCLIPPED = Method(
    schedule=EXACT_FORWARD,
    estimator=lambda stair: StraightThrough(stair, lambda x, stair, time: torch.ones_like(x)),
)
''',
        '    "unclipped": UNCLIPPED,',
        "from ana_search.ana.methods.unclipped import UNCLIPPED",
    ),
    "schedule": Addition(
        "a schedule shape",
        '''def late(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``1 - u**2``: slow at first."""
    return 1.0 - _passed(t, start, end, alpha) ** 2
''',
        '    "late": late,',
    ),
    "policy": Addition("a synchronisation policy", "", '    "first_half": lambda layer, layers: (0.0, 0.5),'),
    "data": Addition(
        "a data set",
        '''"""Squares of one grey: the class is the brightness."""

import torch

from ana_search.data.source import Images, Source
from ana_search.plan import DataPlan


def _part(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(count) % 3
    noise = torch.randint(0, 20, (count, 1, 8, 8), generator=torch.Generator().manual_seed(count))
    return (80 * labels[:, None, None, None] + noise).to(torch.uint8), labels


def _load(plan: DataPlan) -> Images:
    return Images(*_part(120), *_part(30), ("dark", "grey", "light"), (0.35,), (0.27,))


def _shape(plan: DataPlan) -> tuple[tuple[int, int, int], int]:
    return (1, 8, 8), 3


SOURCE = Source(load=_load, shape=_shape, flips=False)
''',
        '    "greys": greys.SOURCE,',
        "from ana_search.data import greys",
    ),
    "network": Addition(
        "a network",
        '''"""One hidden layer."""

from torch import nn


def one_layer(input_shape: tuple[int, int, int], classes: int, width: int = 16) -> nn.Module:
    """Return a linear map, batch norm, hard tanh and the classifier."""
    channels, height, across = input_shape
    hidden = nn.Linear(channels * height * across, width, bias=False)
    return nn.Sequential(nn.Flatten(), hidden, nn.BatchNorm1d(width), nn.Hardtanh(), nn.Linear(width, classes))
''',
        '    "one_layer": one_layer,',
        "from ana_search.networks.one_layer import one_layer",
    ),
    "format": Addition(
        "an export format",
        '''"""What PyTorch writes, under another name."""

from ana_search.export.formats.pt2 import Pt2Format


class OtherFormat(Pt2Format):
    """As pt2."""

    suffix = ".other"
''',
        '    "other": OtherFormat(),',
        "from ana_search.export.formats.other import OtherFormat",
    ),
    "figure": Addition(
        "a figure",
        '''"""The outcomes as a histogram."""

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.base import FigureInput, FigureSpec
from analysis.style import new_figure, styled


def compute(given: FigureInput) -> pd.DataFrame:
    return given.finished[["__shown__"]]


def draw(data: pd.DataFrame, given: FigureInput) -> Figure:
    with styled():
        figure, (axes,) = new_figure(3.0)
        axes.hist(data["__shown__"])
    return figure


def describe(data: pd.DataFrame, given: FigureInput) -> str:
    return f"A histogram of {len(data)} outcomes."


FIGURE = FigureSpec("Histogram", compute, draw, describe)
''',
        '    "histogram": histogram.FIGURE,',
        "from analysis.figures import histogram",
    ),
    "command": Addition(
        "a command",
        '''"""`ana-search hello`: says hello."""

import typer

NAME = "hello"
EXAMPLE = "ana-search hello"


def run() -> None:
    """Say hello."""
    typer.echo("hello")
''',
        "    hello,",
        "from ana_search.cli import hello",
    ),
}
NAMES = {"cosine_noise": "raised", "data": "greys", "network": "one_layer", "format": "other", "figure": "histogram"}
NAMES |= {"command": "hello", "method": "unclipped"}

STUDY = """
[study]
name = "added"
sampler = "grid"
seeds = 2
[data]
name = "greys"
[network]
name = "one_layer"
[training]
epochs = 3
batch_size = 16
[space]
noise = ["raised", "uniform"]
interval = ["first_half", "overlapped"]
decay = "late"
method = ["noise", "unclipped"]
"""

USE = """
import sys
from pathlib import Path

import ana_search
from ana_search.cli import main
from ana_search.dispatch.local import LocalDispatcher
from ana_search.runner import launch

assert Path(ana_search.__file__).is_relative_to(Path.cwd()), ana_search.__file__
launch(ana_search.load_study_file("added.toml"), dispatcher=LocalDispatcher())
frame = ana_search.load_results("added")
assert frame["state"].tolist() == ["COMPLETE"] * 10, frame
assert frame["value"].max() > 0.9, frame["value"]
for words in (["hello"], ["analyse", "added", "--out", "out"],
              ["export", "added", "--out", "models", "--format", "other"], ["export", "--check", "models"]):
    try:
        main(words)
    except SystemExit as ended:
        assert ended.code == 0, words
print(*sorted(path.name for path in [*Path("out").iterdir(), *Path("models").iterdir()]))
"""


def row_of(kind: str) -> tuple[list[str], str, str]:
    """Return the table's row of a kind: the files to write, the register's name, and the file that it is in."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {kind} |")]
    _, _, write, register, _ = (cell.strip() for cell in line.split("|"))
    name, *files = re.findall(r"`([^`]+)`", register)
    written = re.findall(r"`([\w<>.]+/[\w/<>.]*)`", write)
    return written, name, files[0] if files else written[0]


def add(tree: Path, addition: Addition, name: str) -> None:
    """Write the file and the line in its register, as the table says."""
    written, register, home = row_of(addition.row)
    file = tree / home
    text = file.read_text(encoding="utf-8")
    opening = re.search(rf"^{register}\b[^\n]*[{{(]\n", text, re.MULTILINE)
    assert opening is not None, f"{home} has no {register} of one line an entry"
    code = f"{addition.code}\n\n" if written[0] == home and addition.code else ""
    text = text[: opening.start()] + code + opening[0] + addition.line + "\n" + text[opening.end() :]
    if addition.imports:
        text = re.sub(r"^from ", f"{addition.imports}\nfrom ", text, count=1, flags=re.MULTILINE)
    file.write_text(text, encoding="utf-8")
    if written[0] != home:
        path = tree / re.sub(r"<\w+>", name, written[0])
        path = path / "__init__.py" if path.suffix == "" else path
        assert not path.exists()
        path.parent.mkdir(exist_ok=True)
        path.write_text(addition.code, encoding="utf-8")


def test_every_file_that_the_table_names_is_there() -> None:
    rows = re.findall(r"^\| an? [^|]+\|[^|]+\|[^|]+\|$", PAGE, re.MULTILINE)
    assert len(rows) >= 11
    for row in rows:
        for path in re.findall(r"`((?:ana_search|analysis|studies)/[\w/.]*)(?:<|`)", row):
            assert (ROOT / path).exists(), row
        _, _, _, register, _ = row.split("|")
        names = re.findall(r"`([^`]+)`", register)
        if len(names) == 2 and names[0].isupper() and "/" in names[1]:
            assert re.search(rf"^{names[0]}\b", (ROOT / names[1]).read_text(encoding="utf-8"), re.MULTILINE), row


@pytest.mark.slow
def test_one_of_each_kind_is_added_and_used(tmp_path: Path) -> None:
    for package in ("ana_search", "analysis"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "studies", tmp_path / "studies")
    for kind, addition in ADDITIONS.items():
        add(tmp_path, addition, NAMES.get(kind, kind))
    (tmp_path / "added.toml").write_text(STUDY)
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", USE],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hello" in done.stdout
    assert "histogram.png" in done.stdout
    assert re.search(r"trial-\d+\.other\b", done.stdout)
