"""Presets are whole, valid params files that fit their models."""

from pathlib import Path

import pytest
from torchvision.datasets import Imagenette

from tickle_core import params
from tickle_core.datasets.announced import announced
from tickle_core.models import classes, classifier
from tickle_core.models.layers import survey
from tickle_core.models.stand_in import stand_in
from tickle_core.models.zoo import registry

ROOT = Path(__file__).parents[1]
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
PRETRAINED = [path for path in PRESETS if path.stem != "fashion_mnist"]


def test_there_are_presets():
    assert [path.stem for path in PRESETS] == [
        "fashion_mnist",
        "googlenet_imagenette",
        "imagenet_efficientnet_lite0",
        "resnet50_imagenette",
    ]


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_valid(path):
    section = params.load(path)
    assert (ROOT / section.dataset.folder).is_dir()  # DVC wants it to exist


def test_the_default_is_a_preset():
    assert (ROOT / "params.yaml").read_text() == (ROOT / "presets/fashion_mnist.yaml").read_text()


@pytest.mark.parametrize("path", PRETRAINED, ids=lambda path: path.stem)
def test_a_preset_names_clean_cuts_and_the_geometry_that_the_weights_expect(path):
    checked = params.load(path)
    layers = survey(*stand_in(checked))
    classifier.require_layers(checked.layers, list(layers))
    assert all(layers[module]["clean_cut"] for module in checked.layers.values())
    geometry = registry.describe(checked.model, announced(checked.dataset)).geometry
    assert geometry.resize == checked.dataset.resize
    assert geometry.image_size == checked.dataset.image_size
    assert geometry.interpolation == checked.dataset.interpolation


@pytest.mark.parametrize("name", ["googlenet_imagenette", "resnet50_imagenette"])
def test_the_classes_of_imagenette_are_classes_of_the_model(name):
    checked = params.load(ROOT / f"presets/{name}.yaml")
    entry = registry.describe(checked.model, announced(checked.dataset))
    names = [names[0] for names in Imagenette._WNID_TO_CLASS.values()]
    matches = classes.match(names, entry.class_names, entry.synsets)
    assert [entry.synsets[index] for index in matches.values()] == list(Imagenette._WNID_TO_CLASS)
