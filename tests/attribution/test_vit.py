"""Vision transformers: maps lie over the patches, and the class token is no patch."""

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torchvision.models import VisionTransformer

from tests.attribution.conftest import EXTRACT, SETTINGS
from tickle_core.activations import foreign
from tickle_core.activations.extraction import Target, extract
from tickle_core.activations.store import open_store
from tickle_core.attribution import maps, paths, randomisation
from tickle_core.attribution.subject import read
from tickle_core.datasets import image_set
from tickle_core.models import splicing
from tickle_core.models.classifier import Classifier
from tickle_core.models.layers import survey
from tickle_core.models.untrained import untrained

MODULE = "encoder.layers.encoder_layer_0"
COUNT = 12


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28, 3), dtype=np.uint8)
    contents = image_set.write_images(path, iter(pixels), COUNT, (28, 28, 3), ["a", "b", "c"])
    splits = ["train" if row % 2 else "test" for row in range(COUNT)]
    labels = [row % 3 for row in range(COUNT)]
    image_set.write_table(path, splits, labels, ["here"] * COUNT, contents, ["a", "b", "c"])
    return image_set.ImageSet.open(path)


@pytest.fixture(scope="module")
def model(images):
    torch.manual_seed(0)
    network = VisionTransformer(28, 7, 2, 2, 12, 24, num_classes=3).eval()
    torch.nn.init.normal_(network.heads.head.weight)
    card = {
        "architecture": {},
        "class_names": ["a", "b", "c"],
        "classes_of_dataset": {"a": 0, "b": 1, "c": 2},
        "preprocessing": {"mean": [0.5] * 3, "std": [0.5] * 3},
        "layers": survey(network, torch.zeros(1, 3, 28, 28)),
    }
    return Classifier(network, card, torch.device("cpu"))


@pytest.fixture(scope="module")
def layer(model, images, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "a.zarr"
    extract(model, images, np.arange(COUNT), [Target("a", MODULE, path)], EXTRACT)
    store = open_store(path)
    return maps.Layer(splicing.splice(model, images, MODULE), store, store.test_rows)


@pytest.fixture(scope="module")
def subject(model, images, layer):
    return read(model, images, layer.rows)


def test_foreign_images_are_what_the_store_holds(model, images, layer):
    pooled, tokens = foreign.of_images(model, MODULE, images.read(np.arange(COUNT)), 5)
    np.testing.assert_allclose(pooled, layer.store.pooled(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tokens, layer.store.tokens[:], rtol=1e-4, atol=1e-5)


def test_layer_maps_are_captum_s_over_the_patches(subject, layer):
    assert layer.store.prefix == ["class"] and layer.store.grid == [4, 4]
    found = maps.of_layer(subject, layer, MODULE, SETTINGS)["layer"]
    assert found.values.shape == (6, 4, 4)
    network = subject.classifier.network
    black = paths.black(subject.classifier, subject.images).expand_as(subject.inputs)
    for row, steps in enumerate(found.steps):
        expected = LayerIntegratedGradients(network, network.get_submodule(MODULE)).attribute(
            subject.inputs[[row]],
            black[[row]],
            target=subject.classes[[row]],
            n_steps=int(steps),
            method="riemann_middle",
        )
        patches = expected[0, 1:].sum(1).reshape(4, 4).detach().numpy()
        np.testing.assert_allclose(found.values[row], patches, rtol=1e-3, atol=1e-4)


def test_grad_cam_from_the_store_and_while_it_runs_agree(subject, layer):
    stored = maps.of_layer(subject, layer, MODULE, SETTINGS)["cam"].values
    running = maps.cam_of(subject, subject.classifier, MODULE, layer.store).values
    np.testing.assert_allclose(stored, running, rtol=1e-3, atol=1e-5)


def test_pixels_are_attributed_and_the_network_forgets_part_by_part(subject, model, images):
    blank = untrained(model, images, "matched", 0)
    found = maps.of_pixels(subject, blank, SETTINGS, 0)
    assert found["ig_zero"].values.shape == (6, 28, 28)
    assert (found["ig_zero"].residual < 0.05).all()
    names = [name for name, _ in randomisation.cascade(model, blank, images, 0)]
    assert names[0].startswith("heads")
