"""A network and a data set of the user's own, found where an installed package publishes them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ana_search import load_study_file, make_plan, train
from ana_search.cli import main

PACKAGE = '''\
import torch
from torch import nn

from ana_search.data import Images, Source


def mlp(input_shape, classes, width=12):
    """A multilayer perceptron with two quantised maps."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(input_shape[0] * input_shape[1] * input_shape[2], width, bias=False),
        nn.BatchNorm1d(width),
        nn.Hardtanh(),
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width),
        nn.Hardtanh(),
        nn.Linear(width, classes),
    )


def no_module(input_shape, classes, width=12):
    return "a network"


def three_outputs(input_shape, classes, width=12):
    return nn.Sequential(nn.Flatten(), nn.Linear(36, width), nn.BatchNorm1d(width), nn.Hardtanh(), nn.Linear(width, 3))


def not_flat(input_shape, classes, width=12):
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.Hardtanh(), nn.Conv2d(width, classes, 1))


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = three_outputs(None, 2)

    def forward(self, x):
        return self.body(x), x


def pair(input_shape, classes, width=12):
    return Pair()


def shades(plan):
    """Dark and bright images, with noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(1240) % 2
    images = torch.randint(0, 128, (1240, 1, 6, 6), generator=generator) + 128 * labels[:, None, None, None]
    images = images.to(torch.uint8)
    return Images(images[:1200], labels[:1200], images[1200:], labels[1200:], ("dark", "bright"), (0.5,), (0.3,))


SHADES = Source(load=shades, shape=lambda plan: ((1, 6, 6), 2), flips=True)
'''
ENTRY_POINTS = """\
[ana_search.networks]
my_mlp = my_package:mlp
no_module = my_package:no_module
gone = my_package:gone
three_outputs = my_package:three_outputs
not_flat = my_package:not_flat
pair = my_package:pair
[ana_search.datasets]
shades = my_package:SHADES
"""
STUDY = """\
[study]
name = "mine"
sampler = "grid"
[data]
name = "shades"
validation = 0.25
[network]
name = "my_mlp"
[training]
epochs = 8
batch_size = 30
[space]
noise = ["uniform", "normal"]
offset = { choices = [0.0, 0.1], scope = "layer" }
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the package as an installer leaves it."""
    folder = tmp_path_factory.mktemp("site-packages")
    (folder / "my_package.py").write_text(PACKAGE)
    info = folder / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture
def installed(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the package on the path of this process."""
    monkeypatch.syspath_prepend(packages)


def test_the_command_checks_a_study_of_them(packages: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(STUDY)
    command = [sys.executable, "-c", "from ana_search.cli import main; main()"]
    done = subprocess.run(
        [*command, "check", str(path), "--no-timing", "--format", "json"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["layers"], summary["cells"]) == (2, 2 * 2 * 2)


@pytest.mark.usefixtures("installed")
def test_a_study_of_them_trains(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(STUDY)
    params = {"noise": "normal", "offset.0": 0.0, "offset.1": 0.1}
    plan = make_plan(load_study_file(path), params, seed=1)
    assert len(plan.layers) == 2
    assert train(plan).accuracy > 0.8  # chance is 0.5


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"my_mlp"', '"my_mpl"', ("network.name", "did you mean 'my_mlp'", "vgg8")),
        ('"my_mlp"', '"gone"', ("network", "my_package:gone", "cannot be loaded")),
        ('"my_mlp"', '"no_module"', ("network", "made a str")),
        ('"my_mlp"', '"three_outputs"', ("network 'three_outputs' gives 3 outputs; the data have 2 classes",)),
        ('"my_mlp"', '"not_flat"', ("network 'not_flat' gives outputs of shape (2, 4, 4); the data have 2 classes",)),
        ('"my_mlp"', '"pair"', ("network 'pair' gives a tuple", "[images, classes]")),
        ('"shades"', '"shade"', ("data.name", "did you mean 'shades'")),
    ],
)
def test_what_is_not_usable_is_refused(
    old: str, new: str, named: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(STUDY.replace(old, new))
    with pytest.raises(SystemExit) as exit_:
        main(["check", str(path), "--no-timing"])
    message = capsys.readouterr().err
    assert exit_.value.code == 2
    for words in named:
        assert words in message
    assert "fault of ana-search" not in message
