"""Which latents are shown, what is said of them, and where they fire."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tickle_core.dictionaries import limits
from tickle_core.reporting.kit import embedding
from tickle_core.reporting.latents import gallery
from tickle_core.reporting.sae.found import read
from tickle_core.reporting.sae.section import section


def gallery_of(project):
    context = project.read()
    return gallery.gallery(context, section(context).latents)


def decode(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_latents_come_by_energy_without_dense_and_dead_ones():
    latents = pd.DataFrame(
        {
            "latent": [0, 1, 2, 3, 4],
            "density": [0.0, 0.6, 0.1, 0.5, 0.1],
            "mean_square": [0.0, 9.0, 2.0, 3.0, 2.0],
        }
    )
    assert limits.strongest(latents, 10)["latent"].tolist() == [3, 2, 4]
    assert limits.strongest(latents, 1)["latent"].tolist() == [3]


def test_the_gallery_shows_what_the_tables_hold(make_project):
    project = make_project()
    late = gallery_of(project).layers[1]
    assert (late.alias, [latent.number for latent in late.latents]) == ("late", [5, 4, 3])
    assert (late.dense, late.dense_energy_share) == (1, pytest.approx(0.9 / 1.96))
    assert late.latents[0].energy_share == pytest.approx(0.4 / 1.96)
    table = read(project.read()).top_images["late"]
    expected = table[table["latent"] == 5].sort_values("rank")
    thumbs = late.latents[0].thumbs
    assert [thumb.image_id for thumb in thumbs] == expected["image_id"].tolist()
    assert sum(count for _, count in late.latents[0].classes) == len(thumbs) == 4


def test_a_latent_says_how_well_it_tells_a_class_or_that_there_is_none_to_tell(make_project):
    purity, auc = section(make_project().read()).latent_columns
    assert (purity.title, auc.title) == ("purity", "AUC")
    assert auc.cells["early"][5] == ("0.80 dog", "chance 0.60")
    assert 4 not in auc.cells["early"]


def test_purity_names_its_class_where_others_lead_the_images_that_are_shown(make_project):
    project = make_project(layers=("only",))
    folder = project.data / "sae" / "only"
    for name, change in (
        ("top_images", {"image_id": 1}),  # every one a dog
        ("latents", {"top_class": ["dog"] * 5 + ["cat"] * 3}),
    ):
        path = folder / f"{name}.parquet"
        pd.read_parquet(path).assign(**change).to_parquet(path)
    cells = section(project.read()).latent_columns[0].cells["only"]
    assert (cells[4][0], cells[5][0]) == ("75\u202f%", "75\u202f% cat")
    assert 0 not in cells  # it is dead


def heat_of(thumb):
    return decode(thumb.heat)[..., 3] / (255 * embedding.HEAT_OPACITY)


@pytest.mark.parametrize("prefix", [[], ["class", "register"]])
def test_heat_covers_the_patches_in_proportion_to_the_activation(make_project, prefix):
    project = make_project(layers=("only",), grid=(2, 3), shape=(8, 12, 1), prefix=prefix)
    [layer] = gallery_of(project).layers
    table = read(project.read()).activations["only"].set_index(["latent", "rank"])
    for latent in layer.latents:
        peak = latent.thumbs[0].value  # the strongest of the row
        for rank, thumb in enumerate(latent.thumbs):
            activation = table.loc[(latent.number, rank), "activations"]
            expected = activation[len(prefix) :].reshape(2, 3) / peak
            np.testing.assert_allclose(heat_of(thumb), expected, atol=0.004)


@pytest.mark.parametrize("grid", [None, (1, 1)])
def test_where_there_are_no_patches_to_tell_apart_there_is_no_heat(make_project, grid):
    strong = gallery_of(make_project(grid=grid))
    assert not strong.has_heat
    assert {thumb.heat for thumb in strong.thumbs} == {None}


def test_a_latent_with_few_images_shows_those(make_project):
    project = make_project(sae={"density": [0, 0, 0, 0, 0, 0, 0.4, 0]})
    latents = gallery_of(project).layers[0].latents
    assert [(latent.number, len(latent.thumbs)) for latent in latents] == [(6, 2)]


def test_agreement_by_chance_of_a_single_class_is_complete():
    assert gallery.chance_agreement(np.zeros(50, dtype=int), 8, seed=0) == 8


def test_there_is_no_agreement_by_chance_where_every_image_has_its_own_class():
    assert gallery.chance_agreement(np.arange(50), 8, seed=0) == 1


def test_agreement_by_chance_of_two_images_in_two_classes():
    assert gallery.chance_agreement(np.arange(50) % 2, 2, seed=0) == 2
