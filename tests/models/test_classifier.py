"""Saving, loading and asking a classifier for layers."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from tickle_core.errors import TickleError
from tickle_core.models import classifier
from tickle_core.models.architectures import build, code_of
from tickle_core.models.assembly import assemble
from tickle_core.models.zoo import registry
from tickle_core.models.zoo.entry import Entry

CPU = torch.device("cpu")


@pytest.fixture
def model(halves):
    return assemble(registry.small_resnet(halves), halves, 0, CPU)


def test_saving_and_loading(halves, model, tmp_path):
    classifier.save(model, tmp_path)
    loaded = classifier.load(tmp_path, CPU)
    x = model.preprocess(halves.read([0, 1, 2]))
    with torch.inference_mode():
        assert torch.equal(loaded.network(x), model.network(x))
    assert loaded.card["layers"]["layer1"]["shape"] == [32, 14, 14]
    assert loaded.card["parameters"] == sum(p.numel() for p in model.network.parameters())


@pytest.mark.parametrize(
    "library, name, arguments",
    [
        ("torchvision", "googlenet", {"aux_logits": False, "init_weights": False}),
        ("torchvision", "mnasnet0_5", {}),  # asks for the version of the names that it loads
        ("timm", "test_vit", {}),
        ("import", "networks:tied", {}),  # two modules share their weights
        ("import", "networks:Plain", {"num_classes": 4}),
    ],
)
def test_the_card_alone_rebuilds_any_architecture(library, name, arguments, tmp_path, networks):
    architecture = {"library": library, "name": name, "arguments": arguments}
    if library == "import":
        architecture["code"] = code_of(name)
    else:
        architecture["arguments"] |= {"num_classes": 4}
    network = build(architecture)
    card = {"architecture": architecture}
    classifier.save(classifier.Classifier(network, card, CPU), tmp_path)
    loaded = classifier.load(tmp_path, CPU).network
    x = torch.rand(2, 3, 160, 160)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x), network(x))
    assert loaded(x).shape == (2, 4)


def test_loading_the_default_network_imports_no_zoo(model, tmp_path):
    classifier.save(model, tmp_path)
    code = (
        "import sys, torch, pathlib; from tickle_core.models import classifier; "
        f"classifier.load(pathlib.Path({str(tmp_path)!r}), torch.device('cpu')); "
        "print([name for name in ('torchvision', 'timm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("damage", [b"", b"not safetensors at all"])
def test_damaged_weights_are_refused(model, tmp_path, damage):
    classifier.save(model, tmp_path)
    (tmp_path / classifier.WEIGHTS).write_bytes(damage)
    with pytest.raises(TickleError, match=f"{tmp_path} holds no readable model"):
        classifier.load(tmp_path, CPU)


def test_a_card_of_another_network_is_refused(model, tmp_path):
    classifier.save(model, tmp_path)
    card = json.loads((tmp_path / classifier.CARD).read_text())
    card["architecture"]["arguments"]["classes"] = 3
    (tmp_path / classifier.CARD).write_text(json.dumps(card))
    with pytest.raises(TickleError, match="holds no readable model"):
        classifier.load(tmp_path, CPU)


def test_layers_that_are_no_candidates_are_refused_with_the_nearest():
    available = [f"layer{i}.{j}.conv{k}" for i in range(4) for j in range(9) for k in range(4)]
    classifier.require_layers({"x": "layer1.2.conv3"}, available)
    with pytest.raises(TickleError) as refusal:
        classifier.require_layers({"x": "layer1.2.conv9"}, available)
    assert "layers.x" in str(refusal.value)
    assert "layer1.2.conv" in str(refusal.value)
    assert "python -m stages.model --layers" in str(refusal.value)
    assert len(str(refusal.value)) < 250


def test_images_that_the_model_cannot_take(halves, make_set):
    entry = Entry(
        architecture={"library": "timm", "name": "test_vit", "arguments": {"num_classes": 2}},
        source="",
        class_names=["left", "top"],
        preprocessing={"mean": [0.5] * 3, "std": [0.5] * 3},
    )
    with pytest.raises(TickleError, match="takes images of 3 channels.*dataset.color: rgb"):
        assemble(entry, halves, 0, CPU)
    small = make_set(np.zeros((4, 28, 28, 3), np.uint8), [0, 1, 0, 1], ["left", "top"])
    with pytest.raises(TickleError, match="cannot run on images of 28 x 28 .*dataset.image_size"):
        assemble(entry, small, 0, CPU)
