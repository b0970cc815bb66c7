"""Data sets: split, coding, augmentation, folders of images."""

from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from ana_search.data import DATASETS, Source, augment, dataset_info, digits, load_dataset
from ana_search.data.coding import dyadic_coding
from ana_search.errors import DataError
from ana_search.plan import DataPlan

CIFAR = Path(__file__).parents[2] / "data" / "cifar10-jpeg"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a root of two classes of 8x8 colour images: 10 + 10 for training, 3 + 3 for the test."""
    pixels = np.random.default_rng(0)
    for part, count in (("train", 10), ("test", 3)):
        for name in ("cat", "dog"):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for number in range(count):
                image = Image.fromarray(pixels.integers(0, 256, (8, 8, 3), dtype=np.uint8))
                image.save(tmp_path / "images" / part / name / f"{number}.png")
    np.save(tmp_path / "images" / "x.npy", pixels.integers(0, 256, (20, 3, 8, 8), dtype=np.uint8))
    np.save(tmp_path / "images" / "y.npy", np.arange(20) % 2)  # for `arrays`; image_folder passes them over
    return tmp_path / "images"


def plan(folder: Path, **options: object) -> DataPlan:
    return DataPlan("image_folder", root=str(folder), **options)


def test_digits_parts_are_disjoint_and_stratified() -> None:
    data = load_dataset(DataPlan("digits", validation=0.25))
    parts = torch.cat([data.train, data.validation, data.test])
    assert sorted(parts.tolist()) == list(range(1797))
    assert len(data.test) == 300
    for part in (data.train, data.validation, data.test):
        counts = torch.bincount(data.labels[part], minlength=10)
        assert counts.max() - counts.min() <= max(4, 0.05 * len(part))


def test_digits_are_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    table = digits.read_table()
    wanted = load_digits()
    assert np.array_equal(table[:, :-1].reshape(-1, 8, 8), wanted.images)
    assert np.array_equal(table[:, -1], wanted.target)
    monkeypatch.setattr(digits, "find_spec", lambda _name: None)  # as if a later version kept the file elsewhere
    assert np.array_equal(digits.read_table(), table)


def test_a_split_depends_on_the_data_section_alone() -> None:
    one, other = (load_dataset(DataPlan("digits")) for _ in range(2))
    assert torch.equal(one.train, other.train)
    assert torch.equal(one.images, other.images)


def test_folds_partition_the_images_for_search() -> None:
    folds = [load_dataset(DataPlan("digits", folds=5, fold=fold)) for fold in range(5)]
    validated = torch.cat([data.validation for data in folds])
    assert sorted(validated.tolist()) == list(range(1497))
    for data in folds:
        assert not set(data.train.tolist()) & set(data.validation.tolist())
        assert torch.equal(data.test, folds[0].test)


def test_train_size_takes_each_class_in_proportion() -> None:
    data = load_dataset(DataPlan("digits", train_size=200, validation=0.5))
    assert len(data.train) == len(data.validation) == 100
    assert torch.bincount(data.labels[data.train]).tolist() == pytest.approx([10] * 10, abs=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"train_size": 5000}, "at most that"), ({"validation": 0.0001}, "at least 1 of each")],
)
def test_impossible_parts(options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(DataPlan("digits", **options))


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_tells_its_shape_without_its_images(name: str, folder: Path) -> None:
    shape, classes = dataset_info(DataPlan(name, root=str(folder)))
    assert len(shape) == 3
    assert classes >= 2


def test_codes_are_dyadic_and_symmetric() -> None:
    coding = dyadic_coding([0.5, 0.1], [0.25, 0.5])
    assert coding.table is not None
    assert int(coding.table.abs().max()) <= 127
    assert torch.equal(coding.values, coding.table.float() * coding.scale)
    assert torch.log2(torch.tensor(coding.scale)).frac() == 0
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 2, 16, 16)
    expected = (pixels.double() / 255 - torch.tensor([0.5, 0.1]).view(1, 2, 1, 1)) / torch.tensor([0.25, 0.5]).view(
        1, 2, 1, 1
    )
    assert (coding(pixels).double() - expected).abs().max() <= coding.scale / 2 + 1e-9


def test_float_inputs_have_no_codes() -> None:
    data = load_dataset(DataPlan("digits", input_bits="float"))
    assert data.coding.table is None
    assert data.encode(data.images[data.train]).mean().abs() < 0.05


def test_augmentation_moves_and_mirrors() -> None:
    images = torch.arange(2 * 3 * 16 * 16, dtype=torch.int32).remainder(251).to(torch.uint8).view(2, 3, 16, 16)
    seen = set()
    for seed in range(40):
        moved = augment(images, flips=True, generator=torch.Generator().manual_seed(seed))
        assert moved.shape == images.shape
        assert moved.dtype == torch.uint8
        assert set(moved.unique().tolist()) <= set(images.unique().tolist())
        seen.add(moved.numpy().tobytes())
    assert len(seen) > 30


def test_augmentation_is_a_crop_of_the_reflected_image() -> None:
    images = torch.randint(0, 256, (1, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    padded = np.pad(images[0, 0].numpy(), 4, mode="reflect")
    crops = {padded[i : i + 16, j : j + 16].tobytes() for i in range(9) for j in range(9)}
    for seed in range(20):
        moved = augment(images, flips=False, generator=torch.Generator().manual_seed(seed))
        assert moved[0, 0].numpy().tobytes() in crops


def test_image_folder(folder: Path, own_cache: Path) -> None:
    data = load_dataset(plan(folder, validation=0.2))
    assert data.images.shape == (26, 3, 8, 8)
    assert (len(data.train), len(data.validation), len(data.test)) == (16, 4, 6)
    assert data.classes == ("cat", "dog")
    first = np.array(Image.open(folder / "train" / "cat" / "0.png"))
    assert np.array_equal(data.images[0].permute(1, 2, 0).numpy(), first)
    assert len(list((own_cache / "ana-search").iterdir())) == 1


def test_a_changed_folder_is_decoded_again(folder: Path) -> None:
    before = load_dataset(plan(folder)).images.clone()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "train" / "cat" / "0.png")
    after = load_dataset(plan(folder)).images
    assert not torch.equal(before, after)
    assert after[0, :, 0, 0].tolist() == [1, 2, 3]


def test_a_place_without_a_cache_works(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(load_dataset(plan(folder)).images) == 26


def test_grey_images_have_one_channel(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    assert load_dataset(plan(folder)).input_shape == (1, 8, 8)


def test_faults_of_a_folder_name_the_file(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_dataset(plan(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"data\.root: missing"):
        load_dataset(DataPlan("image_folder"))
    Image.new("RGB", (9, 8)).save(folder / "train" / "dog" / "9.png")
    with pytest.raises(DataError, match=r"9\.png is 9 x 8"):
        load_dataset(plan(folder))
    (folder / "train" / "dog" / "9.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"9\.png cannot be read"):
        load_dataset(plan(folder))


def test_unknown_name_lists_what_exists() -> None:
    with pytest.raises(DataError, match="digits, cifar10"):
        load_dataset(DataPlan("digitz"))


def test_a_package_adds_a_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", f"{__name__}:MINE", "ana_search.datasets")
    monkeypatch.setattr("ana_search.data.load.entry_points", lambda group: [point])
    assert len(load_dataset(DataPlan("mine")).images) == 1797


MINE = Source(load=DATASETS["digits"].load, shape=DATASETS["digits"].shape, flips=False)


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR.is_dir(), reason="the CIFAR-10 images are not in data/cifar10-jpeg")
def test_cifar10_images() -> None:
    data = load_dataset(DataPlan("image_folder", root=str(CIFAR), validation=0.1))
    assert data.images.shape == (60_000, 3, 32, 32)
    assert (len(data.train), len(data.validation), len(data.test)) == (45_000, 5_000, 10_000)
    assert data.coding.table is not None
    assert (int(data.coding.table.min()), int(data.coding.table.max())) == (-128, 127)
    some = data.images[data.train[::22]]
    normalised = DataPlan("image_folder", root=str(CIFAR), validation=0.1, input_coding="normalised")
    assert load_dataset(normalised).encode(some).mean().abs() < 0.1
