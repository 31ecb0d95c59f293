"""Drawn textures: any size and channels, what sets each kind apart."""

import numpy as np
import pytest

from tickle_core.datasets.concept_sets import textures


def drawn(kind, shape=(64, 64, 1), count=4, seed=0):
    return textures.draw(kind, count, shape, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", textures.KINDS)
@pytest.mark.parametrize("shape", [(28, 28, 1), (40, 56, 3)])
def test_any_size_and_channels(kind, shape):
    found = drawn(kind, shape)
    assert found.shape == (4, *shape)
    assert found.dtype == np.uint8
    assert (np.ptp(found.astype(int), axis=(1, 2)).max(1) >= textures.LEAST_CONTRAST // 2).all()
    assert not np.array_equal(found[0], found[1])


@pytest.mark.parametrize("kind", textures.KINDS)
def test_the_generator_decides(kind):
    assert np.array_equal(drawn(kind), drawn(kind))
    assert not np.array_equal(drawn(kind), drawn(kind, seed=1))


@pytest.mark.parametrize("kind", ["striped", "dotted", "checkered", "zigzag"])
def test_patterns_have_two_colours(kind):
    for image in drawn(kind):
        assert len(np.unique(image)) == 2


def share_of_strongest(image):
    """Of the power beside the mean, what one frequency and its mirror hold."""
    power = np.abs(np.fft.fft2(image[..., 0] - image[..., 0].mean())) ** 2
    return np.sort(power.ravel())[-2:].sum() / power.sum()


def test_stripes_run_in_one_direction_and_checks_in_two():
    stripes, checks = (
        np.mean([share_of_strongest(image) for image in drawn(kind, count=20)])
        for kind in ("striped", "checkered")
    )
    assert stripes > 1.3 * checks


def test_noise_has_no_neighbours_alike_and_a_gradient_no_others():
    def neighbours(kind):
        images = drawn(kind, count=8).astype(float)[..., 0]
        return np.mean([np.corrcoef(i[:, :-1].ravel(), i[:, 1:].ravel())[0, 1] for i in images])

    assert abs(neighbours("noise")) < 0.1
    assert neighbours("gradient") > 0.99
