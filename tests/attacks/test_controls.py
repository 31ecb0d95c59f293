"""Controls change an image as much as the attack did."""

import numpy as np
import pytest

from tickle_core.attacks import controls


def pair(count=6, low=20, high=236):
    rng = np.random.default_rng(0)
    clean = rng.integers(low, high, (count, 5, 5, 3)).astype(np.uint8)
    changes = rng.integers(-8, 9, clean.shape)
    return clean, (clean.astype(int) + changes).clip(0, 255).astype(np.uint8)


def sizes(clean, moved):
    return np.sort(np.abs(moved.astype(int) - clean).reshape(len(clean), -1), axis=1)


def test_noise_has_the_same_changes_at_other_pixels():
    clean, adversarial = pair()
    noise = controls.of_noise(clean, adversarial, 0)
    np.testing.assert_array_equal(sizes(clean, noise), sizes(clean, adversarial))
    assert not np.array_equal(noise, adversarial)


def test_near_black_and_white_noise_goes_the_other_way():
    clean, adversarial = pair(low=0, high=3)
    noise = controls.of_noise(clean, adversarial, 0)
    np.testing.assert_array_equal(sizes(clean, noise), sizes(clean, adversarial))


def test_where_pixels_leave_the_range_either_way_noise_is_smaller():
    clean = np.random.default_rng(0).integers(0, 256, (4, 5, 5, 3)).astype(np.uint8)
    noise = controls.of_noise(clean, 255 - clean, 0)
    # As if without the range, or less.
    assert (sizes(clean, noise) <= sizes(clean, 255 - clean)).all()
    assert noise.dtype == np.uint8


@pytest.mark.parametrize("count", [2, 3, 6, 41])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_strangers_change_is_another_images(count, seed):
    clean, adversarial = pair(count)
    found = controls.of_strangers(clean, adversarial, seed).astype(int) - clean
    changes = adversarial.astype(int) - clean
    for place, change in enumerate(found):
        others = [other for other, each in enumerate(changes) if np.array_equal(each, change)]
        assert others and others != [place]


def test_without_images_there_are_no_controls():
    clean = np.empty((0, 4, 4, 1), np.uint8)
    assert controls.of_noise(clean, clean, 0).shape == clean.shape
    assert controls.of_strangers(clean, clean, 0).shape == clean.shape
