"""A classifier in the place of a network's last layer."""

import numpy as np
import pytest
import timm
import torch
import torchvision.models as zoo
from sklearn.linear_model import LogisticRegression
from torch import nn

from tickle_core.errors import TickleError
from tickle_core.models import heads
from tickle_core.models.classifier import Classifier

CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (lambda: zoo.resnet18(), "fc"),
        (lambda: zoo.mobilenet_v3_small(), "classifier.3"),
        (lambda: zoo.vit_b_16(image_size=64), "heads.head"),
        (lambda: zoo.squeezenet1_0(), None),  # ends in a convolution
        (lambda: timm.create_model("vit_tiny_patch16_224", img_size=64), "head"),
        (lambda: timm.create_model("convnext_atto"), "head.fc"),
        (lambda: timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=0), None),
        (lambda: timm.create_model("deit_tiny_distilled_patch16_224", img_size=64), None),
    ],
)
def test_the_last_linear_layer_is_found(network, expected):
    assert heads.find(network().eval(), torch.zeros(1, 3, 64, 64)) == expected


class Pooled(nn.Module):
    """The mean and the spread of each half of an image, on scales far apart, and one constant."""

    def __init__(self, classes):
        super().__init__()
        self.fc = nn.Linear(5, classes)

    def forward(self, x):
        left, top = x[:, 0, :, :14], x[:, 0, :14]
        features = [left.mean((1, 2)), 1000 * top.mean((1, 2)), left.std((1, 2)), top.std((1, 2))]
        return self.fc(torch.stack([*features, torch.ones(len(x))], 1))


def classifier(classes=2):
    card = {"preprocessing": {"mean": [0.0], "std": [1.0]}}
    return Classifier(Pooled(classes).eval(), card, CPU)


def inputs(images):
    kept = []
    model = classifier()
    model.network.fc.register_forward_hook(lambda module, given, out: kept.append(given[0]))
    model.network(model.preprocess(images.images[:]))
    return kept[0].double().numpy()


def test_the_layer_is_the_logistic_regression_of_scikit_learn(halves):
    """On standardised features, with the same strength: the probabilities of all images."""
    model = classifier()
    found = heads.fit(model, halves, "fc", seed=0)
    train = (halves.table["split"] == "train").to_numpy()
    labels, x = halves.table["label"].to_numpy(), inputs(halves)
    spread = x[train].std(0)
    scaled = (x - x[train].mean(0)) / np.where(spread > 0, spread, 1)
    # Theirs has one vector of weights for two classes, ours has two, each of half its length.
    theirs = LogisticRegression(C=2 * found["strength"], tol=1e-8, max_iter=10_000)
    theirs.fit(scaled[train], labels[train])
    with torch.inference_mode():
        ours = model.network(model.preprocess(halves.images[:])).softmax(1)
    np.testing.assert_allclose(ours.numpy(), theirs.predict_proba(scaled), atol=0.01)
    assert found["module"] == "fc"
    assert (found["images"], found["features"]) == (300, 5)
    assert found["converged"]


def test_shuffled_labels_leave_chance(halves):
    controls = [heads.fit(classifier(), halves, "fc", seed)["control"] for seed in range(10)]
    assert all(control["n"] == 100 for control in controls)
    assert 0.45 < np.mean([control["value"] for control in controls]) < 0.55


def test_a_class_without_train_images_is_never_predicted(halves, make_set):
    images = make_set(
        halves.images[:100],
        halves.table["label"].tolist()[:99] + [2],
        ["left", "top", "none"],
        ["train"] * 80 + ["test"] * 20,
    )
    model = classifier(3)
    heads.fit(model, images, "fc", seed=0)
    logits = model.network(model.preprocess(images.images[:]))
    assert logits.isfinite().all()
    assert not (logits.argmax(1) == 2).any()


def test_one_class_is_refused(halves, make_set):
    images = make_set(halves.images[:8], [0] * 8, ["left", "top"])
    with pytest.raises(TickleError, match="all train images are of one class"):
        heads.fit(classifier(), images, "fc", seed=0)


def test_features_that_are_the_same_for_all_images_are_refused(make_set):
    pixels = np.zeros((8, 28, 28, 1), np.uint8)
    pixels[:, -1, -1, 0] = range(8)  # which is in neither half
    images = make_set(pixels, [0, 0, 1, 1] * 2, ["a", "b"])
    with pytest.raises(TickleError, match="the same for all images"):
        heads.fit(classifier(), images, "fc", seed=0)
