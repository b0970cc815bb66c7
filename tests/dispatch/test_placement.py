"""The images of a study in Ray's object store: read once, shared by all workers of a node."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ray
import torch
from PIL import Image

from ana_search.data import load_dataset
from ana_search.dispatch import Done, SlotRequest
from ana_search.dispatch.placement import PlacedImages, place_images
from ana_search.dispatch.protocol import Job
from ana_search.dispatch.ray_dispatcher import RayDispatcher
from ana_search.errors import DataError
from ana_search.plan import DataPlan
from ana_search.training import train
from tests.dispatch.test_slots import until_all_end, until_all_started
from tests.training.plans import digits_plan


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataPlan:
    """Return a plan for 8x8 grey images in a folder, ten classes of six and of two."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    draw = np.random.default_rng(1)
    for part, count in (("train", 6), ("test", 2)):
        for name in range(10):
            place = tmp_path / "images" / part / str(name)
            place.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(draw.integers(0, 256, (8, 8), dtype=np.uint8)).save(place / f"{number}.png")
    return DataPlan("image_folder", root=str(tmp_path / "images"), validation=0.5)


def test_workers_train_on_images_that_only_the_driver_has_read(cluster: None, folder: DataPlan, tmp_path: Path) -> None:
    plan = replace(digits_plan(epochs=1), data=folder)
    alone = train(plan).accuracy
    dispatcher = RayDispatcher(SlotRequest(2), data=folder)
    try:
        dispatcher.start()
        until_all_started(dispatcher, 2)
        shutil.rmtree(tmp_path / "images")
        shutil.rmtree(tmp_path / "cache")
        ended = until_all_end(dispatcher, [Job(0, plan), Job(1, plan)])
    finally:
        dispatcher.close()
    assert [event.outcome.accuracy for event in ended.values() if isinstance(event, Done)] == [alone, alone]


def test_a_worker_shares_the_memory_of_the_store(cluster: None) -> None:
    plan = DataPlan("digits", validation=0.25)

    @ray.remote
    def look(placed: PlacedImages) -> tuple[bool, bool, torch.Tensor]:
        data = load_dataset(plan, placed.pool())
        return placed.images.flags.owndata, data.images.data_ptr() == placed.images.ctypes.data, data.images.clone()

    owned, same, images = ray.get(look.remote(place_images(plan)))
    assert (owned, same) == (False, True)
    assert torch.equal(images, load_dataset(plan).images)


def test_a_data_set_that_is_not_there_ends_a_local_launch_before_it_begins(cluster: None, tmp_path: Path) -> None:
    dispatcher = RayDispatcher(SlotRequest(1), data=DataPlan("image_folder", root=str(tmp_path / "nowhere")))
    try:
        with pytest.raises(DataError, match="nowhere"):
            dispatcher.start()
    finally:
        dispatcher.close()
