"""The small network, what it is fed, and its training."""

import numpy as np
import pytest
import torch

from tickle_core.errors import TickleError
from tickle_core.models import training
from tickle_core.models.accuracy import accuracies
from tickle_core.models.assembly import assemble
from tickle_core.models.preprocessing import channel_statistics
from tickle_core.models.small_resnet import SmallResNet
from tickle_core.models.zoo import registry
from tickle_core.params.model import Train

CPU = torch.device("cpu")
SECTION = Train(source="train", epochs=3, batch_size=32, learning_rate=0.05, weight_decay=0.0005)


def untrained(images):
    return assemble(registry.small_resnet(images), images, 0, CPU)


def test_shapes(halves):
    layers = untrained(halves).card["layers"]
    shapes = {name: layer["shape"] for name, layer in layers.items()}
    assert shapes["layer1"] == [32, 14, 14]
    assert shapes["layer2"] == [64, 7, 7]
    assert shapes["layer3"] == [128, 4, 4]
    assert shapes["fc"] == [2]
    assert "layer3.0.relu2" in shapes


def test_other_channels_and_sizes():
    network = SmallResNet(3, 5).eval()
    assert network(torch.zeros(2, 3, 64, 48)).shape == (2, 5)


def test_channel_statistics(halves):
    ids = np.flatnonzero(halves.table["split"] == "train")
    pixels = halves.read(ids) / 255
    found = channel_statistics(halves, ids)
    np.testing.assert_allclose(found["mean"], [pixels.mean()])
    np.testing.assert_allclose(found["std"], [pixels.std()])


def test_preprocessing_normalises(halves):
    x = untrained(halves).preprocess(halves.read(np.flatnonzero(halves.table["split"] == "train")))
    assert abs(float(x.mean())) < 1e-4
    assert float(x.std()) == pytest.approx(1, rel=1e-3)


def test_an_easy_task_is_learnt_repeatably(halves):
    models = [untrained(halves) for _ in "ab"]
    for model in models:
        training.train(model, halves, SECTION, 0)
    accuracy = accuracies(models[0], halves)["accuracy"]
    assert accuracy["value"] > 0.95
    assert accuracy["n"] == 100
    assert accuracy["interval"][0] < accuracy["value"] <= accuracy["interval"][1]
    assert models[0].card == models[1].card
    assert models[0].card["classes_of_dataset"] == {"left": 0, "top": 1}
    one, two = (model.network.state_dict() for model in models)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_any_number_of_steps_is_trained(halves, steps):
    model = untrained(halves)
    count = int((halves.table["split"] == "train").sum())
    section = SECTION.model_copy(update={"epochs": 1, "batch_size": -(-count // steps)})
    training.train(model, halves, section, 0)
    assert all(torch.isfinite(weight).all() for weight in model.network.parameters())


@pytest.mark.parametrize("change", [{"learning_rate": 1e9}, {"weight_decay": 1e30}])
def test_a_training_that_diverged_is_an_error(halves, change):
    section = SECTION.model_copy(update=change)
    with pytest.raises(TickleError, match="the training diverged: its last loss is"):
        training.train(untrained(halves), halves, section, 0)
