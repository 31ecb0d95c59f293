"""All probes of a layer, from its store: which images and tokens they see."""

import numpy as np
import pytest

from tickle_core.activations import writer
from tickle_core.activations.store import open_store
from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.params.probes import Probes
from tickle_core.probes import analysis, pooling

CHANNELS = 5
SETTINGS = Probes(
    train_images=1000,
    strengths=[0.1],
    validation_share=0.2,
    control_clusters=6,
    control_draws=2,
    shuffles=2,
)


@pytest.fixture
def layer(tmp_path):
    """Makes a store and its images: tokens (n, positions, CHANNELS), the prefix before a grid."""

    def make(tokens, labels, is_test, prefix=(), grid=(2, 2)):
        n, positions, channels = tokens.shape
        names = tuple(f"class {label}" for label in range(labels.max() + 1))
        images = np.random.default_rng(0).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
        (tmp_path / "images").mkdir()
        contents = image_set.write_images(
            tmp_path / "images", iter(images), n, images.shape[1:], names
        )
        splits = ["test" if held_out else "train" for held_out in is_test]
        image_set.write_table(
            tmp_path / "images", splits, labels.tolist(), ["here"] * n, contents, names
        )
        path, ids = tmp_path / "a.zarr", np.arange(n)
        layout = writer.Layout(
            positions, channels, len(names), list(prefix), list(grid), "float32", n
        )
        writer.create_store(path, layout, ids, labels, is_test)
        pooled = tokens[:, len(prefix) :].mean(1)
        writer.StoreWriter(path).add(0, pooled, np.zeros((n, len(names)), np.float32), tokens)
        return open_store(path), ImageSet.open(tmp_path / "images")

    return make


def tokens_that_tell(labels, positions, telling, seed=0):
    """Noise, but for the positions that tell the label."""
    tokens = np.random.default_rng(seed).normal(size=(len(labels), positions, CHANNELS))
    tokens[np.arange(len(labels)), telling, labels % CHANNELS] += 20
    return tokens.astype(np.float32)


def test_class_and_register_tokens_are_read_apart_from_patches(layer):
    labels = np.arange(400) % 3
    prefix = ["class", "register", "register"]
    tokens = tokens_that_tell(labels, 7, 0)
    store, images = layer(tokens, labels, np.arange(400) % 2 == 0, prefix)
    found = analysis.analyse(store, store, images, SETTINGS, 0)
    accuracies = {
        kind: probe["accuracy"]["value"] for kind, probe in found.metrics["pooled"].items()
    }
    assert list(accuracies) == ["patch", "class", "register"]
    assert accuracies["class"] == 1.0
    assert max(accuracies["patch"], accuracies["register"]) < 0.5
    assert found.metrics["position"]["best"]["value"] < 0.5
    assert found.tables["positions"]["value"][0] == 1.0
    for name in ("tasks", "classes", "confusion"):
        assert set(found.tables[name]["kind"]) == set(accuracies)
    # All kinds are held against the same tasks.
    draws = found.tables["tasks"]
    assert draws.groupby("kind")["task"].apply(list).map(tuple).nunique() == 1


def test_what_is_pooled_is_the_mean_over_the_tokens_of_a_kind(layer):
    labels = np.arange(40) % 2
    tokens = np.random.default_rng(0).normal(size=(40, 7, CHANNELS)).astype(np.float32)
    prefix = ["class", "register", "register"]
    store, _ = layer(tokens, labels, np.arange(40) % 4 == 0, prefix)
    rows = np.array([1, 5, 30])
    pooled = pooling.by_kind(store, rows)
    for kind, places in (("patch", [3, 4, 5, 6]), ("class", [0]), ("register", [1, 2])):
        np.testing.assert_allclose(pooled[kind], tokens[rows][:, places].mean(1), rtol=1e-6)


def test_images_of_classes_without_train_images_are_left_out_and_counted(layer):
    labels = np.arange(400) % 4
    # All images of class 3 are held out, and half of each other class.
    is_test = (labels == 3) | (np.arange(400) % 8 < 4)
    store, images = layer(tokens_that_tell(labels, 4, 1), labels, is_test)
    found = analysis.analyse(store, store, images, SETTINGS, 0)
    assert found.metrics["images"] == {"train": 150, "judged": 150, "left_out": 100}
    accuracy = found.metrics["pooled"]["patch"]["accuracy"]
    assert (accuracy["value"], accuracy["n"]) == (1.0, 150)
    assert found.metrics["position"]["best"]["n"] == 150
    assert found.tables["classes"]["label"].tolist() == [0, 1, 2]


def test_where_no_class_is_on_both_sides_there_is_no_accuracy(layer):
    labels = np.arange(60)
    store, images = layer(tokens_that_tell(labels, 4, 1), labels, labels % 3 == 0)
    found = analysis.analyse(store, store, images, SETTINGS, 0)
    assert found.metrics["images"] == {"train": 40, "judged": 0, "left_out": 20}
    probe = found.metrics["pooled"]["patch"]
    for each in (probe["accuracy"], probe["selectivity"], found.metrics["position"]["best"]):
        assert (each["value"], each["interval"], each["n"]) == (None, None, 0)
        assert each["why"] == "no class is on both sides of the split"
    assert all(len(table) == 0 for table in found.tables.values())


def test_the_probe_of_an_untrained_layer_is_what_the_trained_one_is_held_against(
    layer, tmp_path_factory
):
    labels, is_test = np.arange(400) % 3, np.arange(400) % 2 == 0
    store, images = layer(tokens_that_tell(labels, 4, np.arange(400) % 4), labels, is_test)
    noise = np.random.default_rng(5).normal(size=(400, 4, CHANNELS)).astype(np.float32)
    path = tmp_path_factory.mktemp("untrained") / "a.zarr"
    # It stores fewer train images; the held-out ones are the same.
    ids = np.flatnonzero(is_test | (np.arange(400) < 300))
    layout = writer.Layout(4, CHANNELS, 3, [], [2, 2], "float32", len(ids))
    writer.create_store(path, layout, ids, labels[ids], is_test[ids])
    logits = np.zeros((len(ids), 3), np.float32)
    writer.StoreWriter(path).add(0, noise[ids].mean(1), logits, noise[ids])
    found = analysis.analyse(store, open_store(path), images, SETTINGS, 0)
    probe = found.metrics["pooled"]["patch"]
    blank, beyond = probe["untrained"]["accuracy"], probe["untrained"]["beyond"]
    assert probe["accuracy"]["value"] == 1.0
    assert blank["value"] < 0.5 and blank["n"] == 200
    assert beyond["value"] == pytest.approx(1 - blank["value"])
    assert beyond["interval"][0] > 0.4
