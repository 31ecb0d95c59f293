"""Random phases: what they keep, and what they take."""

import numpy as np
import pytest

from tickle_core.visualization.random_phase import random_phase


def smooth(count, size, channels, contrast, seed=0):
    """Images with falling spectra around mid-grey, and channels that are correlated."""
    rng = np.random.default_rng(seed)
    height, width = size
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    spectrum = np.fft.rfft2(rng.standard_normal((count, channels, *size)))
    fields = np.fft.irfft2(spectrum / np.maximum(f, 1 / height), s=size)
    fields[:, 1:] = 0.8 * fields[:, :1] + 0.2 * fields[:, 1:]
    fields /= fields.std((1, 2, 3), keepdims=True)
    return (128 + contrast * fields).clip(0, 255).round().astype(np.uint8).transpose(0, 2, 3, 1)


def amplitudes(images):
    return np.abs(np.fft.fft2(images.astype(float), axes=(1, 2)))


@pytest.mark.parametrize("size", [(28, 28), (15, 22), (9, 7)])
@pytest.mark.parametrize("channels", [1, 3])
def test_spectrum_mean_contrast_and_colours_stay(size, channels):
    images = smooth(8, size, channels, contrast=25)
    found = random_phase(images, np.random.default_rng(0))
    assert found.shape == images.shape and found.dtype == np.uint8
    np.testing.assert_allclose(found.mean((1, 2)), images.mean((1, 2)), atol=0.5)
    np.testing.assert_allclose(found.std((1, 2)), images.std((1, 2)), atol=1)
    before, after = amplitudes(images), amplitudes(found)
    error = np.sqrt(((before - after) ** 2).sum((1, 2)) / (before**2).sum((1, 2)))
    assert error.max() < 0.02
    for one, other in zip(images, found, strict=True):
        if channels > 1:
            colours = (np.corrcoef(x.reshape(-1, channels).T) for x in (one, other))
            np.testing.assert_allclose(*colours, atol=0.02)


def test_images_of_two_greys_nearly_keep_mean_and_contrast():
    images = np.zeros((20, 28, 28, 1), np.uint8)
    for i, image in enumerate(images):
        image[4 + i % 5 : 22, 6 : 14 + i % 9] = 200
    found = random_phase(images, np.random.default_rng(0))
    assert abs(np.median(found.mean((1, 2, 3)) / images.mean((1, 2, 3))) - 1) < 0.2
    assert abs(np.median(found.std((1, 2, 3)) / images.std((1, 2, 3))) - 1) < 0.1


def test_what_is_where_is_lost():
    images = smooth(40, (32, 32), 1, contrast=25)
    found = random_phase(images, np.random.default_rng(0))
    pairs = zip(images.reshape(40, -1), found.reshape(40, -1), strict=True)
    correlations = [np.corrcoef(one, other)[0, 1] for one, other in pairs]
    assert abs(np.mean(correlations)) < 4 * np.std(correlations) / np.sqrt(40)
    assert np.max(np.abs(correlations)) < 0.9


def test_an_image_of_one_grey_stays():
    images = np.full((2, 6, 8, 3), 77, np.uint8)
    np.testing.assert_array_equal(random_phase(images, np.random.default_rng(0)), images)


def test_batches_do_not_matter_and_generators_do():
    images = smooth(4, (12, 12), 3, contrast=40)
    rng = np.random.default_rng(0)
    apart = np.concatenate([random_phase(images[:1], rng), random_phase(images[1:], rng)])
    whole = random_phase(images, np.random.default_rng(0))
    np.testing.assert_array_equal(apart, whole)
    assert (whole != random_phase(images, np.random.default_rng(1))).any(axis=(1, 2, 3)).all()
