"""Maps of where a concept is, on layers where it is known."""

import dataclasses

import numpy as np
import pytest

from tests.concepts.conftest import concept, make_items
from tests.concepts.small_layers import make_layer
from tickle_core.concepts import pointwise
from tickle_core.concepts.pointwise import Pasted

D = 6


def test_the_vector_points_at_the_patches_that_show_the_concept(tmp_path):
    """Of nine patches two show it; the class token says something else of the image."""
    items = make_items(200, 100)
    rng = np.random.default_rng(0)
    members = np.flatnonzero(rng.random(300) < 0.5)
    tokens = rng.normal(size=(300, 10, D))
    places = 1 + rng.random((300, 9)).argsort(1)[:, :2]
    for member in members:
        tokens[member, places[member], 0] += 6
    tokens[members, 0, 1] += 20
    layer, _ = make_layer(
        tmp_path / "a.zarr", tokens, items, lambda acts: acts[:, 0, :2], ["class"], [3, 3]
    )
    each = concept(items, members, "planted")
    [vector] = pointwise.fit([each], items, layer, 60, 0.1, 0)
    assert vector[0] > 0.8
    held_out = items.split(members, True)
    maps = layer.tokens(held_out)[:, layer.patches] @ vector
    strongest = 1 + maps.argmax(1)
    assert np.mean([s in places[i] for s, i in zip(strongest, held_out, strict=True)]) > 0.9


def test_concepts_of_different_sizes_are_fitted_together(tmp_path):
    items = make_items(200, 100)
    tokens = np.random.default_rng(0).normal(size=(300, 4, D))
    layer, _ = make_layer(tmp_path / "a.zarr", tokens, items, lambda acts: acts[:, 0, :2])
    sets = [concept(items, np.arange(0, 300, step), f"c{step}") for step in (2, 7)]
    found = pointwise.fit(sets, items, layer, 60, 0.1, 0)
    assert found.shape == (2, D)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)


def pasted(count=40, gain=5.0):
    rng = np.random.default_rng(1)
    corner = np.zeros((count, 16), bool)
    corner[:, [0, 1, 4, 5]] = True
    before = rng.normal(size=(count, 16, D))
    tokens = before + gain * corner[:, :, None] * np.eye(D)[0]
    return Pasted(tokens, before, corner)


def test_the_pointing_game_counts_hits_and_what_the_image_gives_without_the_texture():
    good, bad = np.eye(D)[0], np.eye(D)[1]
    found = pointwise.pointing_game(pasted(gain=9), good, bad)
    assert found["hits"]["value"] == 1
    # The same chance of a hit as the corner's share of patches, a quarter.
    assert found["hits"]["null"]["value"] == pytest.approx(0.25, abs=0.2)
    assert found["pooled"]["value"] == pytest.approx(0.25, abs=0.2)
    assert found["beyond"]["value"] == pytest.approx(1 - found["pooled"]["value"])
    assert found["beyond"]["interval"][0] > 0.3


def test_the_same_vector_twice_is_not_beyond_itself():
    found = pointwise.pointing_game(pasted(gain=1), np.eye(D)[0], np.eye(D)[0])
    assert found["beyond"]["value"] == 0
    assert found["beyond"]["interval"][0] < 0 < found["beyond"]["interval"][1]


def masked(tmp_path, right):
    """A layer that shows the concept where the masks are, or somewhere else."""
    items = make_items(60, 60)
    rng = np.random.default_rng(2)
    tokens = 0.1 * rng.normal(size=(120, 16, D))
    masks = {}
    for item in range(60, 120):
        row, column = rng.integers(0, 3, 2)
        mask = np.zeros((8, 8), bool)
        mask[2 * row : 2 * row + 4, 2 * column : 2 * column + 4] = True
        masks[item] = mask
        cells = np.zeros((4, 4), bool)
        cells[row : row + 2, column : column + 2] = True
        shown = cells.ravel() if right else rng.permutation(cells.ravel())
        tokens[item, shown, 0] += 5
    layer, _ = make_layer(
        tmp_path / "a.zarr", tokens, items, lambda acts: acts[:, 0, :2], grid=[4, 4]
    )
    each = dataclasses.replace(concept(items, np.arange(40, 120)), masks=masks)
    return pointwise.overlap(each, items, layer, np.eye(D)[0], 0)


def test_a_map_that_is_the_mask_overlaps_it_wholly(tmp_path):
    found = masked(tmp_path, right=True)
    assert found["value"] == 1 and found["n"] == 60
    assert found["null"] < 0.4  # another image's mask


def test_a_map_of_somewhere_else_overlaps_as_another_image_s_mask_does(tmp_path):
    found = masked(tmp_path, right=False)
    assert found["value"] < 0.4
    assert found["interval"][0] < found["null"] + 0.1


def test_a_mask_smaller_than_a_patch_counts_as_the_patch_it_lies_in():
    mask = np.zeros((8, 8), bool)
    mask[5, 1] = True
    assert np.flatnonzero(pointwise._on_grid(mask, (4, 4))).tolist() == [8]
