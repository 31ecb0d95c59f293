"""Images and heat maps on the page: to the pixel while they are small, else smaller."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tickle_core.reporting.kit import embedding
from tickle_core.reporting.kit.shown import shown


def decode(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_the_heat_of_a_fine_grid_keeps_single_patches():
    heat = np.zeros((100, 30))
    heat[50, 11] = 1.0
    drawn = decode(embedding.overlay(heat))[..., 3]
    assert drawn.shape == (28, 28)
    assert np.flatnonzero(drawn.any(axis=1)) == [14]
    assert drawn.max() == round(255 * embedding.HEAT_OPACITY)


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_are_embedded_to_the_pixel(make_project, channels):
    images = make_project(shape=(8, 6, channels)).read().images
    embedded = shown(images, {7, 3})
    assert embedded.crisp
    assert list(embedded.uris) == [3, 7]
    for image_id, uri in embedded.uris.items():
        stored = images.read([image_id])[0]
        assert np.array_equal(decode(uri), stored[:, :, 0] if channels == 1 else stored)


def test_photographs_are_compressed(make_project):
    embedded = shown(make_project(shape=(96, 80, 3)).read().images, {1, 2})
    assert not embedded.crisp
    assert {uri.split(";")[0] for uri in embedded.uris.values()} == {"data:image/jpeg"}
    assert {decode(uri).shape for uri in embedded.uris.values()} == {(96, 80, 3)}


def test_large_images_are_made_smaller_and_keep_their_proportions(make_project):
    embedded = shown(make_project(shape=(100, 200, 3)).read().images, {1})
    assert not embedded.crisp
    # Marks are laid over them in pixels of the image set.
    assert embedded.size == (200, 100)
    assert {decode(uri).shape for uri in embedded.uris.values()} == {(56, 112, 3)}


@pytest.mark.parametrize("count", [1, 300, 3000, 100_000])
def test_many_images_are_embedded_smaller(count):
    height, width = embedding.embedded_size((224, 224), count)
    assert 48 <= height == width <= 112
    assert count * height * width <= max(embedding.MOST_PIXELS * 1.05, count * 48**2)
