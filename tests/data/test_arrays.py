"""Arrays: tables, signals and images of a user's own, in memory and mapped."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ana_search.data import MappedRows, arrays, data_notes, dataset_info, image_count, load_dataset
from ana_search.data.load import load_images
from ana_search.errors import DataError
from ana_search.plan import DataPlan

Arrays = dict[str, npt.NDArray[Any]]
DRAW = np.random.default_rng(0)
SHAPES = {"table": (16,), "signal": (2, 50), "images": (3, 8, 8), "volumes": (1, 4, 4, 4)}


def examples(shape: tuple[int, ...], count: int = 60, kind: str = "float32") -> npt.NDArray[Any]:
    """Return examples whose second dimension has ranges of its own."""
    numbers = DRAW.normal(size=(count, *shape))
    numbers *= np.linspace(1, 50, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    return (numbers % 256).astype(np.uint8) if kind == "uint8" else numbers.astype(kind)


def saved(folder: Path, **named: npt.NDArray[Any]) -> DataPlan:
    folder.mkdir(exist_ok=True)
    for name, array in named.items():
        np.save(folder / f"{name}.npy", array)
    return DataPlan("arrays", root=str(folder), validation=0.25)


def packed(folder: Path, **named: npt.NDArray[Any]) -> DataPlan:
    np.savez_compressed(folder / "all.npz", **named)
    return DataPlan("arrays", root=str(folder / "all.npz"), validation=0.25)


@pytest.mark.parametrize("how", [saved, packed])
@pytest.mark.parametrize("kind", ["uint8", "float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_shapes_and_types(how: Callable[..., DataPlan], kind: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    x = examples(shape, kind=kind)
    plan = how(tmp_path / "arrays" if how is saved else tmp_path, x=x, y=np.arange(60) % 3)
    assert dataset_info(plan) == (shape, 3)
    assert image_count(plan) == 48
    data = load_dataset(plan)
    assert data.input_shape == shape
    assert (len(data.train), len(data.validation), len(data.test)) == (36, 12, 12)
    inputs = data.encode(data.images[data.train])
    assert inputs.shape == (36, *shape)
    assert inputs.isfinite().all()
    table = data.coding.table
    assert table is not None
    assert table.shape == (shape[0], 256)
    assert (table.min(dim=1).values == -128).all()
    assert (table.max(dim=1).values == 127).all()
    assert any("12 of the 60 examples" in note for note in data_notes(plan))


def test_what_the_network_sees_is_the_number_but_for_the_coding(tmp_path: Path) -> None:
    x = examples((4,), 400)
    data = load_dataset(saved(tmp_path, x=x, y=np.arange(400) % 2, x_test=x[:20], y_test=np.arange(20) % 2))
    scaling = data.coding.scaling
    assert scaling is not None
    pixels = data.images[:].double()[:400]
    back = pixels * torch.tensor(scaling.steps).double() + torch.tensor(scaling.lows).double()
    assert ((back - torch.from_numpy(x)).abs() <= torch.tensor(scaling.steps).double() * 0.51).all()
    assert torch.bincount(data.images[:400][:, 0].long(), minlength=256).gt(0).sum() > 100
    assert torch.equal(data.images[400:], data.images[:20])


def test_an_outlier_does_not_take_the_codes_of_all_others(tmp_path: Path) -> None:
    x = examples((2,), 2000)
    x[7] = 1e6
    data = load_dataset(saved(tmp_path, x=x, y=np.arange(2000) % 2))
    assert len(data.images[:][:, 1].unique()) > 5
    assert int(data.images[:].max()) == 255


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.arange(60) % 3 + 5, ("5", "6", "7")),
        (np.array(["b", "a"] * 30), ("a", "b")),
        (np.arange(60) % 2 == 0, ("False", "True")),
        ((np.arange(60) % 2).reshape(60, 1), ("0", "1")),
    ],
)
def test_labels_are_names(labels: npt.NDArray[Any], classes: tuple[str, ...], tmp_path: Path) -> None:
    x = examples((3,))
    data = load_dataset(saved(tmp_path, x=x, y=labels, x_test=x[:9], y_test=labels[:9]))
    assert data.classes == classes
    assert [classes[label] for label in data.labels[:60].tolist()] == [str(each) for each in labels.reshape(-1)]
    assert torch.equal(data.labels[60:], data.labels[:9])


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("with_test", [False, True])
@pytest.mark.parametrize("train_size", [None, 30])
def test_mapped_files_give_what_memory_gives(
    kind: str, with_test: bool, train_size: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = examples((2, 9), kind=kind), np.arange(60) % 2
    parts: Arrays = {"x": x, "y": y} | ({"x_test": x[::-1][:13].copy(), "y_test": y[:13]} if with_test else {})
    plan = replace(saved(tmp_path, **parts), train_size=train_size)
    small = load_dataset(plan)
    monkeypatch.setattr(arrays, "IN_MEMORY", 0)
    large = load_dataset(plan)
    assert isinstance(small.images, torch.Tensor)
    assert isinstance(large.images, MappedRows)
    assert large.images.shape == small.images.shape
    assert torch.equal(large.images[:], small.images)
    assert torch.equal(large.images[large.validation], small.images[small.validation])
    assert torch.equal(large.labels, small.labels)
    assert torch.equal(large.coding.values, small.coding.values)
    for name in ("train", "validation", "test"):
        one, other = ([images.clone() for images, _ in data.batches(name, 7)] for data in (small, large))  # type: ignore[arg-type]  # the three parts
        assert all(map(torch.equal, one, other))


def test_what_is_sent_to_another_process_are_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "IN_MEMORY", 0)
    pool = load_images(saved(tmp_path, x=examples((2, 5000)), y=np.arange(60) % 2))
    sent = pickle.dumps(pool.images)
    assert len(sent) < 5_000
    assert torch.equal(pickle.loads(sent)[:], pool.images[:])


def test_nan_in_a_mapped_file_is_named_when_it_is_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = examples((4,))
    plan = saved(tmp_path, x=x, y=np.arange(60) % 2)
    monkeypatch.setattr(arrays, "IN_MEMORY", 0)
    data = load_dataset(plan)
    x[:] = np.nan
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(DataError, match="x holds NaN"):
        load_dataset(plan)
    with pytest.raises(DataError, match=r"x\.npy holds NaN"):
        pickle.loads(pickle.dumps(data.images))[:3]


def test_channels_that_come_last_are_mentioned(tmp_path: Path) -> None:
    plan = saved(tmp_path, x=examples((8, 8, 3), kind="uint8"), y=np.arange(60) % 2, z=np.zeros(3))
    notes = "\n".join(data_notes(plan))
    assert "np.moveaxis(x, -1, 1)" in notes
    assert "not read: z" in notes


def with_nan() -> npt.NDArray[Any]:
    x = examples((4,))
    x[3, 2] = np.nan
    return x


FAULTS: dict[str, tuple[Arrays, str]] = {
    "no labels": ({"x": examples((4,))}, "has no y; it holds x"),
    "half a test": ({"x": examples((4,)), "y": np.arange(60), "x_test": examples((4,))}, "has no y_test"),
    "whole numbers": (
        {"x": examples((4,)).astype(np.int64), "y": np.arange(60) % 2},
        "int64; allowed: uint8",
    ),
    "too few labels": ({"x": examples((4,)), "y": np.arange(59) % 2}, "60 examples, y has 59 labels"),
    "labels as numbers": ({"x": examples((4,)), "y": np.zeros(60)}, r"y is float64 .*astype\(np\.int64\)"),
    "one-hot labels": ({"x": examples((4,)), "y": np.eye(60, dtype=np.int64)}, "argmax"),
    "one class": ({"x": examples((4,)), "y": np.zeros(60, np.int64)}, "1 class; allowed: 2 or more"),
    "no dimension": ({"x": np.zeros(60, np.float32), "y": np.arange(60) % 2}, r"has the shape \[60\]"),
    "NaN": ({"x": with_nan(), "y": np.arange(60) % 2}, "x holds NaN"),
    "objects": ({"x": np.array([{}] * 60), "y": np.arange(60) % 2}, "Python objects"),
    "another test": (
        {"x": examples((4,)), "y": np.arange(60) % 2, "x_test": examples((5,)), "y_test": np.arange(60) % 2},
        "one shape and one type",
    ),
    "a class of the test alone": (
        {"x": examples((4,)), "y": np.arange(60) % 2, "x_test": examples((4,)), "y_test": np.arange(60) % 3},
        "y_test has the class '2'",
    ),
}


@pytest.mark.parametrize("how", [saved, packed])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(how: Callable[..., DataPlan], fault: str, tmp_path: Path) -> None:
    parts, message = FAULTS[fault]
    plan = how(tmp_path, **parts)
    with pytest.raises(DataError, match=message):
        load_dataset(plan)


def test_files_that_are_damaged(tmp_path: Path) -> None:
    plan = saved(tmp_path, x=examples((400,)), y=np.arange(60) % 2)
    whole = (tmp_path / "x.npy").read_bytes()
    for content, message in ((b"", "cannot be read"), (b"no array", "cannot be read"), (whole[:-7], "truncated")):
        (tmp_path / "x.npy").write_bytes(content)
        with pytest.raises(DataError, match=message):
            dataset_info(plan)
    (tmp_path / "all.npz").write_bytes(b"PK\3\4 rubbish")
    for root in ("all.npz", "nowhere", "x.npy"):
        with pytest.raises(DataError, match=r"data\.root"):
            dataset_info(replace(plan, root=str(tmp_path / root)))
    with pytest.raises(DataError, match=r"data\.root: missing"):
        dataset_info(DataPlan("arrays"))
