"""The snippets of docs/export.md, run as they stand beside exported files."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ana_search.export import FORMATS, TrainedModel, export_models
from tests.export.training import make_plan, trained

pytestmark = pytest.mark.slow
PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page")
    plan = make_plan("ternary")
    network, _, accuracy = trained(plan)
    for name in FORMATS:
        export_models([TrainedModel("page", 3, plan, network, accuracy)], path / "models", file_format=name)
    return path


def sample(folder: Path) -> tuple[np.ndarray, list[int]]:
    with np.load(folder / "models" / "trial-0003.onnx.validation.npz") as arrays:
        return arrays["inputs"], arrays["predictions"].tolist()


@pytest.mark.parametrize("number", range(5))
def test_python(number: int, folder: Path) -> None:
    assert len(blocks("python")) == 5
    subprocess.run([sys.executable, "-c", blocks("python")[number]], cwd=folder, check=True, timeout=400)


def test_command_line(folder: Path) -> None:
    text = blocks("sh")[0]
    done = subprocess.run(
        ["sh", "-c", text.replace("python", sys.executable, 1)], cwd=folder, check=True, capture_output=True, text=True
    )
    assert [int(line) for line in done.stdout.split()] == sample(folder)[1]


def test_c(folder: Path) -> None:
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    text = blocks("sh")[1].replace("python", sys.executable, 1)
    done = subprocess.run(["sh", "-e", "-c", text], cwd=folder, check=True, capture_output=True, text=True)
    assert [int(line) for line in done.stdout.split()] == sample(folder)[1]


def test_cpp(folder: Path) -> None:
    compiler, finder = shutil.which("c++"), shutil.which("pkg-config")
    if not (
        compiler and finder and subprocess.run([finder, "--exists", "libonnxruntime"], check=False).returncode == 0
    ):
        pytest.skip("no C++ compiler, or pkg-config finds no libonnxruntime")
    (text,) = blocks("cpp")
    (command,) = re.findall(r"^    (c\+\+ .*)$", PAGE, re.MULTILINE)
    (folder / "classify.cpp").write_text(text)
    subprocess.run(["sh", "-c", command], cwd=folder, check=True, timeout=300)
    inputs, predictions = sample(folder)
    for image, prediction in zip(inputs[:8], predictions, strict=False):
        words = [folder / "classify", "models/trial-0003.onnx", *map(str, image.shape)]
        done = subprocess.run(words, cwd=folder, input=image.tobytes(), check=True, capture_output=True)
        assert int(done.stdout) == prediction
