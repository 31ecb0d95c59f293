"""The small network, its card, and its training."""

import numpy as np
import pytest
import torch

from tickle_core import params
from tickle_core.datasets import image_set
from tickle_core.errors import TickleError
from tickle_core.models import classifier, training
from tickle_core.models.small_resnet import SmallResNet

CPU = torch.device("cpu")
SECTION = params.Model(
    source="train", epochs=3, batch_size=32, learning_rate=0.05, weight_decay=0.0005
)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two classes that differ by where the bright half is, left or top; some noise."""
    rng = np.random.default_rng(0)
    count = 400
    labels = (np.arange(count) // 2) % 2
    pixels = rng.integers(0, 100, (count, 28, 28, 1))
    pixels[labels == 0, :, :14] += 100
    pixels[labels == 1, :14, :] += 100
    path = tmp_path_factory.mktemp("images")
    pixels = pixels.astype(np.uint8)
    hashes = image_set.write_images(path, pixels, count, (28, 28, 1), ["left", "top"])
    splits = ["test" if i % 4 == 0 else "train" for i in range(count)]
    sources = [str(i) for i in range(count)]
    image_set.write_table(path, splits, labels.tolist(), sources, hashes, ["left", "top"])
    return image_set.ImageSet.open(path)


def test_shapes():
    shapes = classifier.layer_shapes(SmallResNet(1, 10).eval(), torch.zeros(1, 1, 28, 28))
    assert shapes["layer1"] == [32, 14, 14]
    assert shapes["layer2"] == [64, 7, 7]
    assert shapes["layer3"] == [128, 4, 4]
    assert shapes["fc"] == [10]
    assert "layer3.2.relu2" in shapes


def test_other_channels_and_sizes():
    network = SmallResNet(3, 5).eval()
    assert network(torch.zeros(2, 3, 64, 48)).shape == (2, 5)


def test_channel_statistics(images):
    ids = np.flatnonzero(images.table["split"] == "train")
    pixels = images.read(ids) / 255
    found = training.channel_statistics(images, ids)
    np.testing.assert_allclose(found["mean"], [pixels.mean()])
    np.testing.assert_allclose(found["std"], [pixels.std()])


def test_preprocessing_normalises(images):
    start = training.untrained(images, 0, CPU)
    x = start.preprocess(images.read(np.flatnonzero(images.table["split"] == "train")))
    assert abs(float(x.mean())) < 1e-4
    assert float(x.std()) == pytest.approx(1, rel=1e-3)


def test_an_easy_task_is_learnt_repeatably(images):
    trained = [training.train(training.untrained(images, 0, CPU), images, SECTION, 0) for _ in "ab"]
    accuracy = trained[0].card["accuracy"]
    assert accuracy["value"] > 0.95
    assert accuracy["n"] == 100
    assert accuracy["interval"][0] < accuracy["value"] <= accuracy["interval"][1]
    assert trained[0].card == trained[1].card
    one, two = (model.network.state_dict() for model in trained)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_saving_and_loading(images, tmp_path):
    saved = training.untrained(images, 0, CPU)
    classifier.save(saved, tmp_path)
    loaded = classifier.load(tmp_path, CPU)
    x = loaded.preprocess(images.read([0, 1, 2]))
    with torch.inference_mode():
        assert torch.equal(loaded.network(x), saved.network(x))
    assert loaded.card["layers"]["layer1"]["shape"] == [32, 14, 14]


@pytest.mark.parametrize("damage", [b"", b"not safetensors at all"])
def test_damaged_weights_are_refused(images, tmp_path, damage):
    classifier.save(training.untrained(images, 0, CPU), tmp_path)
    (tmp_path / classifier.WEIGHTS).write_bytes(damage)
    with pytest.raises(TickleError, match=f"{tmp_path} holds no readable model"):
        classifier.load(tmp_path, CPU)
