"""What a study file may ask for of examples that are no images."""

from pathlib import Path

import numpy as np
import pytest

from ana_search.errors import StudyFileError
from ana_search.study_file import load_study_file

TABLE = """\
[study]
name = "table"
[data]
name = "arrays"
root = "{root}"
{data}
[network]
name = "mlp"
[training]
epochs = 1
[space]
{space}
"""


@pytest.fixture
def write(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "table.npz", x=draw.normal(size=(60, 16)).astype(np.float32), y=np.arange(60) % 3)
    return tmp_path


def study(folder: Path, data: str, space: str) -> Path:
    path = folder / "table.toml"
    path.write_text(TABLE.format(root=folder / "table.npz", data=data, space=space))
    return path


@pytest.mark.parametrize("data", ["", "augment = false", 'augment = "mixup"'])
def test_tables_can_be_mixed_or_left_alone(write: Path, data: str) -> None:
    assert load_study_file(study(write, data, 'noise = ["uniform", "normal"]')).network.name == "mlp"


@pytest.mark.parametrize(
    ("data", "space"),
    [
        ("augment = true", 'noise = ["uniform", "normal"]'),
        ('augment = "cutout+mixup"', 'noise = ["uniform", "normal"]'),
        ("", 'augment = ["none", "crop"]'),
        ("", 'augment = "trivial_augment"'),
    ],
)
def test_what_is_done_to_images_is_refused_for_tables(write: Path, data: str, space: str) -> None:
    with pytest.raises(StudyFileError, match=r"data.augment: got .* of shape \[16\]; allowed: none, mixup"):
        load_study_file(study(write, data, space))
