"""The network that learnt nothing: what is kept of the trained one, and what is not."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.classifier import Classifier
from tickle_core.models.small_resnet import SmallResNet
from tickle_core.models.untrained import estimate_statistics, redraw, untrained

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    out = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 1), dtype=np.uint8)
    contents = image_set.write_images(out, iter(pixels), 60, (16, 16, 1), ("a", "b"))
    labels = [row % 2 for row in range(60)]
    image_set.write_table(out, ["train"] * 60, labels, ["here"] * 60, contents, ("a", "b"))
    return ImageSet.open(out)


@pytest.fixture
def trained():
    torch.manual_seed(0)
    network = SmallResNet(1, 2).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.rand_like(parameter))
    card = {
        "architecture": {
            "library": "tickle",
            "name": "small_resnet",
            "arguments": {"channels": 1, "classes": 2},
        },
        "preprocessing": {"mean": [0.5], "std": [0.25]},
    }
    return Classifier(network, card, CPU)


def test_each_tensor_keeps_its_mean_and_spread_and_nothing_else():
    torch.manual_seed(1)
    tensor = nn.Parameter(3 + 2 * torch.rand(400, 50))
    before = tensor.detach().clone()
    redraw([tensor], seed=5)
    assert float(tensor.detach().mean()) == pytest.approx(float(before.mean()), abs=0.02)
    assert float(tensor.detach().std()) == pytest.approx(float(before.std()), rel=0.02)
    together = np.corrcoef(tensor.detach().flatten(), before.flatten())[0, 1]
    assert abs(together) < 0.03
    # Uniform before, Gaussian now: values lie beyond where any lay.
    assert tensor.max() > before.max()


def test_the_trained_network_stays_and_the_seed_decides(trained, images):
    before = copy.deepcopy(trained.network.state_dict())
    one, same, other = (untrained(trained, images, "matched", seed) for seed in (0, 0, 1))
    for name, tensor in trained.network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    weights = [found.network.state_dict()["fc.weight"] for found in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not any(module.training for module in one.network.modules())
    assert one.card["source"].startswith("untrained")


def test_fresh_weights_are_those_of_the_architecture(trained, images):
    found = untrained(trained, images, "fresh", 3)
    torch.manual_seed(3)
    expected = SmallResNet(1, 2).state_dict()
    assert torch.equal(found.network.state_dict()["fc.weight"], expected["fc.weight"])


@pytest.mark.parametrize("weights", ["matched", "fresh"])
def test_batch_norm_has_the_statistics_of_train_images_in_the_new_network(trained, images, weights):
    found = untrained(trained, images, weights, 0)
    inputs = found.preprocess(images.read(np.arange(60)))
    with torch.no_grad():
        seen = found.network.stem[0](inputs)
    norm = found.network.stem[1]
    torch.testing.assert_close(norm.running_mean, seen.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, seen.var((0, 2, 3)), rtol=1e-3, atol=1e-5)


def test_a_network_without_batch_norm_is_left_as_it_is(images):
    network = nn.Sequential(nn.Flatten(), nn.Linear(256, 2)).eval()
    before = copy.deepcopy(network.state_dict())
    card = {"preprocessing": {"mean": [0.5], "std": [0.25]}}
    estimate_statistics(Classifier(network, card, CPU), images, np.arange(10))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_last_image_by_itself_does_not_break_the_statistics(trained, images):
    """A batch of one has no variance where maps have a single position."""
    trained.network.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(128))
    trained.network.eval()
    estimate_statistics(trained, images, np.arange(1))
    assert all(tensor.isfinite().all() for tensor in trained.network.state_dict().values())
