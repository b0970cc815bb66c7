"""Photos as cameras and people leave them: of any size and mode, turned, and with other things among them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ana_search.data import check_split, data_notes, dataset_info, image_count, load_dataset
from ana_search.errors import DataError
from ana_search.plan import DataPlan

SIZES = [(40, 30), (30, 40), (64, 64), (17, 90), (90, 17), (33, 47)]
MODES = ["RGB", "RGBA", "P", "L", "LA", "CMYK", "1", "YCbCr"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of two classes, twelve photos each: of six sizes, red above blue; no test part."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("cat", "dog"):
        (tmp_path / "photos" / "train" / name).mkdir(parents=True)
        for number in range(12):
            photo(*SIZES[number % len(SIZES)]).save(tmp_path / "photos" / "train" / name / f"{number:02}.png")
    return tmp_path / "photos"


def photo(width: int, height: int) -> Image.Image:
    """Return an image whose upper half is red and whose lower half is blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = 200
    pixels[height // 2 :, :, 2] = 200
    return Image.fromarray(pixels)


def plan(root: Path, **options: object) -> DataPlan:
    options = {"size": (16, 16), "channels": 3} | options
    return DataPlan("image_folder", root=str(root), validation=0.25, **options)  # type: ignore[arg-type]  # of tests


def is_upright(image: torch.Tensor) -> bool:
    """Return whether uint8 [3, H, W] is red above and blue below."""
    height = image.shape[1]
    return bool(image[0, height // 4].min() > 150 > 50 > image[0, -2].max()) and int(image[2, -2].min()) > 150


@pytest.mark.parametrize("crop", ["centre", "none"])
def test_photos_of_any_size_are_scaled(root: Path, crop: str) -> None:
    data = load_dataset(plan(root, size=(16, 24), crop=crop))
    assert data.images.shape == (24, 3, 16, 24)
    assert all(is_upright(image) for image in data.images[:])


def test_a_padded_photo_keeps_all_of_itself(root: Path) -> None:
    images = load_dataset(plan(root, crop="pad")).images[:]
    assert images.shape == (24, 3, 16, 16)
    high = [image for image in images if not image[:, :, 0].any() and not image[:, :, -1].any()]
    wide = [image for image in images if not image[:, 0].any() and not image[:, -1].any()]
    assert (len(high), len(wide)) == (12, 8)  # of three and of two sizes, four photos each


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode(root: Path, mode: str, channels: int) -> None:
    file = root / "train" / "cat" / "00.png"
    with Image.open(file) as image:
        other = image.convert("L").convert(mode) if mode == "LA" else image.convert(mode)
    suffix = ".tif" if mode in ("CMYK", "YCbCr") else ".png"
    file.unlink()
    other.save(file.with_suffix(suffix))
    data = load_dataset(plan(root, channels=channels))
    assert data.input_shape == (channels, 16, 16)
    if channels == 3 and mode in ("RGB", "RGBA", "P", "CMYK", "YCbCr"):
        assert all(is_upright(image) for image in data.images[:])


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_photos_are_turned_as_the_camera_was_held(root: Path, suffix: str) -> None:
    turned = {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180, 8: Image.Transpose.ROTATE_270}
    for number, (orientation, how) in enumerate(turned.items()):
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = root / "train" / "dog" / f"{number:02}.png"
        file.unlink()
        photo(64, 64).transpose(how).save(file.with_suffix(suffix), exif=exif)
    assert all(is_upright(image) for image in load_dataset(plan(root)).images[:])


def test_damaged_exif_data_are_no_reason_to_refuse(root: Path) -> None:
    photo(40, 30).save(root / "train" / "cat" / "more.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff rubbish")
    assert len(load_dataset(plan(root)).images) == 25


def litter(root: Path) -> None:
    """Leave in a folder of photos what cameras, systems and people leave there."""
    train = root / "train"
    for name in (".DS_Store", "._00.png"):
        (train / "cat" / name).write_bytes(b"\0\5\26\7")
    (train / "cat" / "Thumbs.db").write_bytes(b"\xd0\xcf")
    for name in ("__MACOSX", "@eaDir"):
        (train / name).mkdir()
        (train / "cat" / name).mkdir()
    (train / "dog" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    (train / "dog" / "holiday").mkdir()
    photo(20, 20).save(train / "dog" / "holiday" / "beach.png")
    (train / "dog" / "raw.heic").write_bytes(b"heic")
    (train / "README.txt").write_text("mine")
    (root / "val").mkdir()


def test_what_is_left_out_is_counted_and_named(root: Path) -> None:
    litter(root)
    assert len(load_dataset(plan(root)).images) == 24
    notes = "\n".join(data_notes(plan(root)))
    assert "7 hidden and system files" in notes
    assert "1 dangling links" in notes
    assert "train/dog/gone.jpg" in notes
    assert "1 folders within a class" in notes
    assert "train/dog/holiday" in notes
    assert "1 files of other kinds than images" in notes
    assert "train/dog/raw.heic" in notes
    assert "1 files outside the folders of classes" in notes
    assert "1 entries beside train/ and test/" in notes
    assert "(val)" in notes


def test_without_a_test_part_a_fixed_fifth_is_kept_for_it(root: Path) -> None:
    data = load_dataset(plan(root))
    assert (len(data.train), len(data.validation), len(data.test)) == (14, 5, 5)
    counts = torch.bincount(data.labels[data.test])
    assert int(counts.max() - counts.min()) <= 1
    assert image_count(plan(root)) == 19
    assert any(
        "no test/" in note and "5 of its 24 images" in note and "confirm" in note for note in data_notes(plan(root))
    )
    again = load_dataset(plan(root))
    assert torch.equal(data.images[data.test], again.images[again.test])
    with pytest.raises(DataError, match="19 images"):
        check_split(plan(root, train_size=20))


def test_classes_need_no_folder_around_them(root: Path) -> None:
    before = load_dataset(plan(root))
    data = load_dataset(plan(root / "train"))
    assert data.classes == before.classes == ("cat", "dog")
    assert torch.equal(data.images[:], before.images[:])


def test_a_class_of_unread_files_says_what_was_there(root: Path) -> None:
    for file in (root / "train" / "dog").iterdir():
        file.rename(file.with_suffix(".heic"))
    with pytest.raises(DataError, match=r"no image in .*dog; .*12 files of other kinds than images .*00\.heic"):
        load_dataset(plan(root))


def test_sizes_and_channels_that_differ_say_which_key_helps(root: Path) -> None:
    with pytest.raises(DataError, match=r"data\.size = \[H, W\]"):
        load_dataset(plan(root, size=None))
    photo(30, 30).convert("L").save(root / "train" / "cat" / "05.png")
    with pytest.raises(DataError, match=r"data\.channels = 1 or 3"):
        load_dataset(plan(root, channels=None))
    assert dataset_info(plan(root, channels=1)) == ((1, 16, 16), 2)


def test_studies_of_other_sizes_keep_their_caches(root: Path, tmp_path: Path) -> None:
    for size in (8, 16, 8):
        load_dataset(plan(root, size=(size, size)))
    assert len(list((tmp_path / "cache" / "ana-search").iterdir())) == 2


def test_the_coding_is_fitted_and_uses_all_codes(root: Path) -> None:
    """Whatever the range of a channel, its smallest pixel has the code -128 and its largest 127."""
    for file in (root / "train").rglob("*.png"):
        with Image.open(file) as image:
            image.point(lambda value: value // 2 + 20).save(file)
    coding = load_dataset(plan(root)).coding
    assert coding.table is not None
    assert coding.table.min(dim=1).values.tolist() == [-128, -128, -128]
    assert coding.table.max(dim=1).values.tolist() == [127, 127, 127]
    assert torch.equal(coding.values, coding.table.float() * coding.scale)
