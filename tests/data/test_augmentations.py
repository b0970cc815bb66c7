"""What is done to training images: each by its definition, all of them repeatable and on any kind of image."""

import itertools

import pytest
import torch

from ana_search.data import AUGMENTATIONS, changed, mixed, names_of

IMAGES = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_names() -> None:
    assert names_of("none") == ()
    assert names_of("crop+mixup") == ("crop", "mixup")


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 28, 20), (3, 5, 7)])
@pytest.mark.parametrize("name", [one for one in AUGMENTATIONS if one not in ("none", "mixup")])
def test_any_image_is_changed_to_one_of_its_kind(name: str, shape: tuple[int, int, int]) -> None:
    images = torch.randint(0, 256, (20, *shape), dtype=torch.uint8, generator=generator(0))
    before, state = images.clone(), torch.get_rng_state()
    one, other = (changed(images, (name,), flips=True, generator=generator(3)) for _ in range(2))
    assert one.shape == images.shape
    assert one.dtype == torch.uint8
    assert torch.equal(one, other)
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    if min(shape[1:]) >= 8:
        assert not torch.equal(one, images)


def test_small_images_move_by_an_eighth_of_their_side() -> None:
    """Four pixels of eight would take the digit out of its picture."""
    image = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    image[0, 0, 4, 4] = 255
    places = set()
    for seed in range(200):
        moved = changed(image, ("crop",), flips=False, generator=generator(seed))
        places.add(tuple(moved[0, 0].nonzero()[0].tolist()))
    assert places == set(itertools.product((3, 4, 5), (3, 4, 5)))


def test_a_flip_without_a_crop_mirrors_half_of_the_images() -> None:
    flipped = changed(IMAGES, ("flip",), flips=True, generator=generator())
    mirrored = (flipped == IMAGES.flip(3)).flatten(1).all(1)
    kept = (flipped == IMAGES).flatten(1).all(1)
    assert (mirrored | kept).all()
    assert 8 < int(mirrored.sum()) < 32
    assert torch.equal(changed(IMAGES, ("flip",), flips=False, generator=generator()), IMAGES)


def test_cutout_is_a_square_of_the_mean_colour() -> None:
    cut = changed(IMAGES, ("cutout",), flips=True, generator=generator())
    mean = IMAGES.float().mean(dim=(2, 3)).round()
    for old, new, colour in zip(IMAGES, cut, mean, strict=True):
        there = (new == colour[:, None, None].to(torch.uint8)).all(0)
        rows, columns = there.any(1).sum(), there.any(0).sum()
        assert rows >= 8
        assert columns >= 8
        assert there.sum() >= 64
        assert torch.equal(new[:, ~there], old[:, ~there])
        assert there.sum() <= 256 + 8


def test_mixup_mixes_images_and_labels_in_one_proportion() -> None:
    inputs, labels = torch.randn(12, 1, 8, 8, generator=generator()), torch.arange(12) % 5
    new, soft = mixed(inputs, labels, 5, generator())
    assert soft.shape == (12, 5)
    assert torch.allclose(soft.sum(1), torch.ones(12))
    own = torch.nn.functional.one_hot(labels, 5).float()
    share = float(((new - inputs.roll(1, 0)) / (inputs - inputs.roll(1, 0))).median())
    assert torch.allclose(new, share * inputs + (1 - share) * inputs.roll(1, 0), atol=1e-5)
    assert torch.allclose(soft, share * own + (1 - share) * own.roll(1, 0), atol=1e-5)
    again = mixed(inputs, labels, 5, generator())
    assert torch.equal(new, again[0])
