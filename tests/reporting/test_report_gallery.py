"""Which latents are shown, what is said of them, and where they fire."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tickle_core.dictionaries import telling
from tickle_core.reporting import embedding, gallery
from tickle_core.reporting.kit.shown import shown


def decode(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_the_mark_covers_the_pixels_of_the_patch():
    image = np.arange(28 * 28).reshape(28, 28)
    position = 9  # row 2, column 1 of a 4 x 4 grid: patches of 7 x 7 pixels
    x, y, width, height = map(int, gallery.mark(position, (4, 4), (28, 28)))
    patches = image.reshape(4, 7, 4, 7).swapaxes(1, 2).reshape(16, 7, 7)
    assert np.array_equal(image[y : y + height, x : x + width], patches[position])


def test_the_mark_of_a_grid_that_is_not_square():
    assert gallery.mark(5, (2, 3), (20, 60)) == (40, 10, 20, 10)


def test_a_single_position_is_the_whole_image_and_no_grid_has_no_mark():
    assert gallery.mark(0, (1, 1), (8, 6)) == (0, 0, 6, 8)
    assert gallery.mark(3, None, (8, 6)) is None


def test_latents_come_by_energy_without_dense_and_dead_ones():
    latents = pd.DataFrame(
        {
            "latent": [0, 1, 2, 3, 4],
            "density": [0.0, 0.6, 0.1, 0.5, 0.1],
            "mean_square": [0.0, 9.0, 2.0, 3.0, 2.0],
        }
    )
    assert telling.strongest(latents, 10)["latent"].tolist() == [3, 2, 4]
    assert telling.strongest(latents, 1)["latent"].tolist() == [3]


def test_the_gallery_shows_what_the_tables_hold(make_project):
    project = make_project()
    strong = gallery.gallery(project.read(), project.heat_maps)
    late = strong.layers[1]
    assert (late.alias, [latent.number for latent in late.latents]) == ("late", [5, 4, 3])
    assert (late.dense, late.dense_energy_share) == (1, pytest.approx(0.9 / 1.96))
    assert late.latents[0].energy_share == pytest.approx(0.4 / 1.96)
    table = project.read().top_images["late"]
    expected = table[table["latent"] == 5].sort_values("rank")
    thumbs = late.latents[0].thumbs
    assert [thumb.image_id for thumb in thumbs] == expected["image_id"].tolist()
    assert sum(count for _, count in late.latents[0].classes) == len(thumbs) == 4


def test_a_latent_says_how_well_it_tells_a_class_or_that_there_is_none_to_tell(make_project):
    project = make_project()
    by_number = {
        latent.number: latent
        for latent in gallery.gallery(project.read(), project.heat_maps).layers[0].latents
    }
    five, four = by_number[5], by_number[4]
    assert (five.best_class, five.auc, five.auc_null) == ("dog", 0.8, 0.6)
    assert (five.top_class, five.purity) == ("cat", 0.75)
    assert (four.best_class, four.auc, four.auc_null) == ("", None, None)


def heat_of(thumb):
    return decode(thumb.heat)[..., 3] / (255 * embedding.HEAT_OPACITY)


@pytest.mark.parametrize("prefix", [[], ["class", "register"]])
def test_heat_covers_the_patches_in_proportion_to_the_activation(make_project, prefix):
    project = make_project(layers=("only",), grid=(2, 3), shape=(8, 12, 1), prefix=prefix)
    findings = project.read()
    [layer] = gallery.gallery(findings, project.heat_maps).layers
    for latent in layer.latents:
        peak = latent.thumbs[0].value  # the strongest of the row
        for thumb in latent.thumbs:
            asked = np.array([thumb.image_id]), np.array([latent.number])
            [activation] = project.heat_maps("only", *asked)
            expected = activation[len(prefix) :].reshape(2, 3) / peak
            np.testing.assert_allclose(heat_of(thumb), expected, atol=0.004)


@pytest.mark.parametrize("grid", [None, (1, 1)])
def test_where_there_are_no_patches_to_tell_apart_nothing_is_worked_out(make_project, grid):
    def refuse(*_):
        raise AssertionError

    project = make_project(grid=grid)
    strong = gallery.gallery(project.read(), refuse)
    assert not strong.has_heat
    assert {thumb.heat for thumb in strong.thumbs} == {None}


def test_the_heat_of_a_fine_grid_keeps_single_patches():
    heat = np.zeros((100, 30))
    heat[50, 11] = 1.0
    drawn = decode(embedding.overlay(heat))[..., 3]
    assert drawn.shape == (28, 28)
    assert np.flatnonzero(drawn.any(axis=1)) == [14]
    assert drawn.max() == round(255 * embedding.HEAT_OPACITY)


def test_a_latent_with_few_images_shows_those(make_project):
    project = make_project(density=[0, 0, 0, 0, 0, 0, 0.4, 0])
    latents = gallery.gallery(project.read(), project.heat_maps).layers[0].latents
    assert [(latent.number, len(latent.thumbs)) for latent in latents] == [(6, 2)]


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


def test_agreement_by_chance_of_a_single_class_is_complete():
    assert gallery.chance_agreement(np.zeros(50, dtype=int), 8, seed=0) == 8


def test_there_is_no_agreement_by_chance_where_every_image_has_its_own_class():
    assert gallery.chance_agreement(np.arange(50), 8, seed=0) == 1


def test_agreement_by_chance_of_two_images_in_two_classes():
    assert gallery.chance_agreement(np.arange(50) % 2, 2, seed=0) == 2
