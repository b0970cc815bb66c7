"""Folders of images: what is read from them, and the cache of what was decoded."""

import struct
import threading
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ana_search.data import dataset_info, load_dataset
from ana_search.errors import DataError
from ana_search.plan import DataPlan

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the cache, which nobody else uses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ana-search"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root of two classes of 6x5 colour images: 5 + 5 for training, 2 + 2 for the test."""
    draw = np.random.default_rng(1)
    for part, count in (("train", 5), ("test", 2)):
        for name in ("left", "right"):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = draw.integers(0, 256, (5, 6, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / part / name / f"{number}.png")
    return tmp_path / "images"


def plan(root: Path) -> DataPlan:
    return DataPlan("image_folder", root=str(root), validation=0.4)


def everything(root: Path) -> set[Path]:
    return set(root.rglob("*"))


def test_nothing_is_written_into_the_root(root: Path, cache: Path) -> None:
    before = everything(root)
    load_dataset(plan(root))
    assert everything(root) == before
    assert [file.suffix for file in cache.iterdir()] == [".pt"]


def test_the_second_time_nothing_is_decoded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_dataset(plan(root))
    monkeypatch.setattr("ana_search.data.image_folder.decode", lambda *_: pytest.fail("decoded again"))
    again = load_dataset(plan(root))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert torch.equal(first.coding.values, again.coding.values)


def test_a_damaged_cache_is_replaced(root: Path, cache: Path) -> None:
    images = load_dataset(plan(root)).images
    (file,) = cache.iterdir()
    good = file.read_bytes()
    for damaged in (b"", b"rubbish", good[: len(good) // 2]):
        file.write_bytes(damaged)
        assert torch.equal(load_dataset(plan(root)).images, images)
        assert len(file.read_bytes()) == len(good)


def test_the_cache_holds_one_file_a_root(root: Path, cache: Path) -> None:
    load_dataset(plan(root))
    (old,) = cache.iterdir()
    (root / "train" / "left" / "0.png").unlink()
    assert len(load_dataset(plan(root)).images) == 13
    (new,) = cache.iterdir()
    assert new != old
    other = root.rename(root.with_name("elsewhere"))
    load_dataset(plan(other))
    assert len(list(cache.iterdir())) == 2


def test_workers_that_decode_at_once(root: Path, cache: Path) -> None:
    together = threading.Barrier(4)
    found: list[torch.Tensor] = []

    def work() -> None:
        together.wait()
        found.append(load_dataset(plan(root)).images)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(torch.equal(images, found[0]) for images in found)
    assert len(list(cache.iterdir())) == 1


def test_a_full_disk_leaves_nothing_behind(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ana_search.data.cache.torch.save", no_space)
    assert len(load_dataset(plan(root)).images) == 14
    assert list(cache.iterdir()) == []


def test_without_a_home_there_is_no_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert len(load_dataset(plan(root)).images) == 14


def test_the_coding_is_that_of_the_training_images(root: Path) -> None:
    data = load_dataset(replace(plan(root), input_coding="normalised"))
    assert data.coding.table is not None
    fractions = data.images[:10].double() / 255
    for channel in range(3):
        mean, deviation = fractions[:, channel].mean(), fractions[:, channel].std(correction=0)
        exact = (torch.arange(256, dtype=torch.float64) / 255 - mean) / deviation
        assert (data.coding.values[channel] - exact).abs().max() <= data.coding.scale / 2 + 1e-6


def test_the_shape_needs_one_image_only(root: Path) -> None:
    for file in sorted((root / "train").rglob("*.png"))[1:]:
        file.write_bytes(b"never read")
    assert dataset_info(plan(root)) == ((3, 5, 6), 2)


def test_other_files_and_hidden_folders_are_passed_over(root: Path) -> None:
    (root / "train" / "left" / "notes.txt").write_text("notes")
    (root / "train" / ".thumbnails").mkdir()
    data = load_dataset(plan(root))
    assert data.classes == ("left", "right")
    assert len(data.images) == 14


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)])
def test_modes_of_images(root: Path, mode: str, channels: int) -> None:
    for file in root.rglob("*.png"):
        with Image.open(file) as image:
            converted = image.convert("L").convert(mode) if mode == "LA" else image.convert(mode)
        converted.save(file)
    assert load_dataset(plan(root)).input_shape == (channels, 5, 6)


def test_a_palette_with_transparency(root: Path) -> None:
    for file in root.rglob("*.png"):
        with Image.open(file) as image:
            palette = image.convert("P")
        palette.save(file, transparency=bytes([0, 128, 255]))
    assert load_dataset(plan(root)).input_shape == (3, 5, 6)


@pytest.mark.parametrize(("step", "start"), [(2184, 0), (100, 1000)])
def test_sixteen_bits_of_grey_are_scaled_by_their_range(root: Path, step: int, start: int) -> None:
    """The range is that of all training images together: a dark one stays dark, and twelve bits keep 256 levels."""
    ramp = np.arange(30, dtype=np.uint16).reshape(5, 6) * np.uint16(step) + np.uint16(start)
    for file in root.rglob("*.png"):
        Image.fromarray(ramp if file.name == "0.png" else ramp[:1].repeat(5, 0)).save(file)
    data = load_dataset(plan(root))
    wanted = (np.arange(30) * 255 / 29).round().reshape(5, 6)
    assert data.images[0, 0].tolist() == wanted.tolist()
    assert int(data.images[1].max()) == wanted[0, -1]


def test_sixteen_bits_among_eight_are_refused(root: Path) -> None:
    Image.fromarray(np.zeros((5, 6), np.uint16)).save(root / "train" / "right" / "4.png")
    with pytest.raises(DataError, match=r"4\.png has 16 bits of grey"):
        load_dataset(plan(root))
    Image.fromarray(np.zeros((5, 6), np.uint16)).save(root / "train" / "left" / "0.png")
    with pytest.raises(DataError, match=r"0\.png has 16 bits of grey, .*1\.png has not"):
        load_dataset(plan(root))


def sixteen_bit_png(colour: int, channels: int) -> bytes:
    """Return a PNG of 6 x 5 pixels with 16 bits a channel, which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 6, 5, 16, colour, 0, 0, 0)
    lines = zlib.compress(b"".join(b"\0" + bytes(6 * 2 * channels) for _ in range(5)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_of_colour_are_refused(root: Path, colour: int, channels: int) -> None:
    (root / "train" / "left" / "0.png").write_bytes(sixteen_bit_png(colour, channels))
    with pytest.raises(DataError, match=r"0\.png has 16 bits a channel"):
        load_dataset(plan(root))


def faulty(root: Path, fault: str) -> None:
    if fault == "no train folder":
        (root / "train").rename(root / "other")
    elif fault == "a class in one part":
        (root / "test" / "up").mkdir()
    elif fault == "an empty class":
        for file in (root / "test" / "right").iterdir():
            file.unlink()
    elif fault == "one class":
        for part in ("train", "test"):
            for file in (root / part / "right").iterdir():
                file.unlink()
            (root / part / "right").rmdir()
    elif fault == "a truncated file":
        file = root / "train" / "left" / "3.png"
        file.write_bytes(file.read_bytes()[:60])
    elif fault == "grey among colours":
        Image.new("L", (6, 5)).save(root / "train" / "right" / "1.png")
    elif fault == "larger test images":
        for file in (root / "test").rglob("*.png"):
            Image.new("RGB", (7, 5)).save(file)
    elif fault == "32 bits":
        Image.new("F", (6, 5)).save(root / "train" / "left" / "0.tif")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no train folder", r"train does not exist.*allowed: a folder that holds train/ and test/"),
        ("a class in one part", r"only one of them has up"),
        ("an empty class", r"no image in .*right; allowed: \.jpg"),
        ("one class", r"holds 1 class folders; allowed: 2 or more"),
        ("a truncated file", r"left/3\.png cannot be read"),
        ("grey among colours", r"right/1\.png is 6 x 5 with 1 channel, but .* 6 x 5 with 3 channels"),
        ("larger test images", r"6 x 5 with 3 channels in train/, but 7 x 5 with 3 channels in test/"),
        ("32 bits", r"left/0\.tif has 32 bits a pixel"),
    ],
)
def test_faults_are_named(root: Path, cache: Path, fault: str, message: str) -> None:
    faulty(root, fault)
    with pytest.raises(DataError, match=message):
        load_dataset(plan(root))
    assert not cache.exists()
