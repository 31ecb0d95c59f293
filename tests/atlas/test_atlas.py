"""Clusters of patches: how many, whether they are classes, where they lie, pictures of them."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from tests.maximization.ascending import STILL, classifier_of, recipe, tokens_and_logits
from tickle_core.activations import writer
from tickle_core.activations.store import open_store
from tickle_core.atlas import analysis, clustering, layout, patches, pictures, purity
from tickle_core.atlas.purity import Labelled
from tickle_core.datasets import image_set
from tickle_core.params.atlas import Atlas

SETTINGS = Atlas(images=200, patches=3, clusters=[2, 4, 8], resamples=3, draws=20, steps=0, shown=2)
IMAGES, POSITIONS, D = 120, 6, 5


def blobs(k, n=400, d=5, apart=10.0, seed=0):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, k, n)
    return rng.standard_normal((n, d)) + apart * rng.standard_normal((k, d))[kinds], kinds


@pytest.mark.parametrize("k", [2, 4])
def test_the_number_of_blobs_is_found(k):
    points, _ = blobs(k)
    found = clustering.stability(points, np.arange(400), [2, 4, 8], 4, 0)
    assert found.best == k
    assert found.observed[k].mean() > 0.95


def test_gaussian_points_are_no_more_stable_than_gaussian_points():
    points = np.random.default_rng(3).standard_normal((600, 8))
    found = clustering.stability(points, np.arange(600), [4, 16], 5, 0)
    for count in (4, 16):
        assert found.observed[count].mean() == pytest.approx(found.flat[count].mean(), abs=0.12)


def test_steady_points_are_those_of_blobs():
    rng = np.random.default_rng(0)
    points, kinds = blobs(3, apart=20.0)
    found = clustering.cluster(points, np.arange(400), 3, 3, 0)
    assert found.steady.mean() > 0.99
    assert len({(a, b) for a, b in zip(found.labels.tolist(), kinds.tolist(), strict=True)}) == 3
    noise = clustering.cluster(rng.standard_normal((400, 8)), np.arange(400), 24, 3, 0)
    assert noise.steady.mean() < 0.3


def labelled(clusters, classes, of_each=1):
    images = np.arange(len(classes)).repeat(of_each)
    return Labelled(np.asarray(clusters), images, np.asarray(classes))


def test_purity_is_its_formula_and_without_clusters_the_most_frequent_class():
    classes = np.array([0] * 6 + [1] * 4)
    assert purity.raw(labelled([0] * 10, classes)) == 0.6
    assert purity.raw(labelled([0] * 6 + [1] * 4, classes)) == 1
    assert purity.raw(labelled([0, 0, 1, 1, 1, 1, 0, 0, 0, 1], classes)) == 0.7
    assert purity.agreement(labelled([0] * 6 + [1] * 4, classes)) == pytest.approx(1)


def test_held_out_purity_of_random_clusters_is_chance_where_the_raw_one_is_not():
    rng = np.random.default_rng(0)
    points = labelled(rng.integers(0, 60, 600), rng.integers(0, 10, 600))
    assert purity.raw(points) > 0.25
    found = purity.measure(points, 20, 0)
    assert found["purity"]["interval"][0] <= 0.1 <= found["purity"]["interval"][1]
    low, high = found["purity"]["null"]["range"]
    assert low - 0.02 <= found["purity"]["value"] <= high + 0.02
    low, high = found["raw"]["null"]["range"]
    assert low - 0.02 <= found["raw"]["value"] <= high + 0.02
    assert found["ami"]["value"] == pytest.approx(0, abs=0.03)
    assert found["majority"]["value"] == pytest.approx(0.1, abs=0.03)


def test_classes_are_shuffled_between_images_not_patches():
    """Patches of an image are alike, and would name its class each other."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 5, 200)
    clusters = np.arange(200).repeat(4) % 50  # all four of an image together
    found = purity.measure(labelled(clusters, classes, 4), 20, 0)
    assert found["purity"]["n"] == 200
    assert found["purity"]["interval"][0] <= 0.25


def test_similar_cells_are_neighbours_on_the_grid():
    rng = np.random.default_rng(0)
    plane = np.stack(np.meshgrid(range(5), range(5)), -1).reshape(-1, 2).astype(float)
    plane[:, 0] *= 3
    centres = plane @ np.linalg.qr(rng.standard_normal((10, 10)))[0][:2]
    places = layout.grid(centres)
    assert len({tuple(place) for place in places.tolist()}) == 25
    apart = np.abs(places[:, None] - places).sum(2)
    distance = np.linalg.norm(plane[:, None] - plane, axis=2)
    assert np.corrcoef(apart.ravel(), distance.ravel())[0, 1] > 0.7
    assert layout.grid(centres[:1]).tolist() == [[0, 0]]
    assert len(layout.grid(centres[:7])) == 7


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A layer whose patches are of two kinds; the class of an image is its first patch's kind."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, IMAGES)
    made = []
    for name, apart in (("trained", 12.0), ("untrained", 0.0)):
        path = tmp_path_factory.mktemp("stores") / f"{name}.zarr"
        tokens = rng.standard_normal((IMAGES, POSITIONS, D))
        tokens[:, :, 0] += apart * classes[:, None]
        tokens = tokens.astype(np.float32)
        ids = np.arange(IMAGES)
        layer = writer.Layout(POSITIONS, D, 2, [], (2, 3), "float32", IMAGES)
        writer.create_store(path, layer, ids, classes, ids >= 20)
        logits = np.zeros((IMAGES, 2), np.float32)
        writer.StoreWriter(path).add(0, tokens.mean(1), logits, tokens)
        made.append(open_store(path))
    return made


def test_patches_are_tokens_of_their_images(stores):
    store = stores[0]
    found = patches.draw(store, store.test_rows[::2], 3, 0)
    assert len(found.points) == 3 * 50
    assert (np.bincount(found.images) == [3, 0] * 49 + [3]).all()
    for place in (0, 70, 149):
        row = store.test_rows[found.images[place]]
        ((_, tokens),) = store.token_blocks(np.array([row]))
        np.testing.assert_array_equal(found.points[place], tokens[0, found.positions[place]])
    each = found.positions.reshape(-1, 3)
    assert all(len(set(row)) == 3 for row in each.tolist())


def test_the_analysis_of_two_kinds(stores):
    trained, untrained = stores
    found = analysis.analyse(trained, untrained, trained.test_rows, SETTINGS, 0)
    assert found.metrics["clusters"]["value"] == 2
    assert found.metrics["purity"]["value"] > 0.99
    assert found.metrics["purity"]["untrained"]["value"] == pytest.approx(0.5, abs=0.12)
    assert found.metrics["half"]["value"] > 0.99
    assert found.metrics["noise"]["value"] < 0.01
    assert found.metrics["stability"]["value"] > 0.98
    assert found.cells["share"].sum() == pytest.approx(1)
    assert sorted(found.cells["label"]) == [0, 1]
    assert found.patches.groupby("cell").size().tolist() == [2, 2]
    assert found.means.shape == (2, D)
    again = analysis.analyse(trained, untrained, trained.test_rows, SETTINGS, 0)
    assert json.loads(json.dumps(found.metrics, allow_nan=False)) == again.metrics
    assert found.cells.equals(again.cells) and found.patches.equals(again.patches)


def test_a_picture_of_a_cell_lies_in_its_direction(tmp_path):
    """What is ascended for each of two cells lies along it, more than along the other."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 16, 1)).astype(np.uint8)
    hashes = image_set.write_images(tmp_path, pixels, 12, (16, 16, 1), ["a"])
    image_set.write_table(tmp_path, ["test"] * 12, [0] * 12, ["x"] * 12, hashes, ["a"])
    images = image_set.ImageSet.open(tmp_path)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 5, bias=False), nn.Flatten(), nn.Linear(4 * 144, 2))
    classifier = classifier_of(network, 1, 16)
    drawn = np.random.default_rng(1).standard_normal((200, 4)).astype(np.float32)
    means = 3 * np.eye(4, dtype=np.float32)[:2]
    section = recipe(steps=60, learning_rate=0.1, **STILL)
    made = pictures.of_means(classifier, images, "0", means, drawn, section, 0)
    assert made.shape == (2, 16, 16, 1) and made.dtype == np.uint8
    tokens, _ = tokens_and_logits(classifier, "0", made)
    found = tokens.amax(1).numpy()
    assert found[0, 0] > found[1, 0] and found[1, 1] > found[0, 1]
