"""Accuracy over the classes that data set and model share."""

import numpy as np
import pytest
import torch
from torch import nn

from tickle_core.models import accuracy
from tickle_core.models.classifier import Classifier


class Answers(nn.Module):
    """Ranks the classes from the value of an image's first pixel on: v, v + 1, ..., mod classes."""

    def __init__(self, classes):
        super().__init__()
        self.classes = classes

    def forward(self, x):
        first = (x[:, 0, 0, 0] * 255).round().long()
        return -((torch.arange(self.classes) - first[:, None]) % self.classes).float()


@pytest.fixture(scope="module")
def images(make_set):
    """Image i says class i % 8; the labels are i % 4."""
    pixels = np.zeros((80, 2, 2, 1), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(80) % 8
    pixels[:, 1, 1, 0] = np.arange(80)  # no two are copies
    return make_set(pixels, [i % 4 for i in range(80)], list("abcd"), splits=["test"] * 80)


def judged(images, matches, classes=8):
    card = {
        "class_names": [str(i) for i in range(classes)],
        "preprocessing": {"mean": [0.0], "std": [1.0]},
        "classes_of_dataset": matches,
    }
    return accuracy.accuracies(Classifier(Answers(classes), card, torch.device("cpu")), images)


def test_top1_and_top5_against_hand_counts(images, monkeypatch):
    monkeypatch.setattr(accuracy, "MOST_IMAGES", 7)  # batches that do not divide the number
    found = judged(images, {"a": 0, "b": 1, "c": 2, "d": 3})
    # Half of the images say their label; the other half say label + 4, from where it is at rank 5.
    assert found["accuracy"]["value"] == 0.5
    assert found["top5"]["value"] == 1.0
    assert found["accuracy"]["n"] == found["top5"]["n"] == 80
    # Four classes of as many images.
    assert (found["accuracy"]["null"], found["top5"]["null"]) == (0.25, 1.0)


def test_images_of_other_classes_do_not_count(images):
    found = judged(images, {"a": 0, "b": None, "c": 5, "d": None})
    # Label 0: 10 of 20 say 0. Label 2 is the model's 5, but 2 and 6 are said; 5 is reached from 2.
    assert (found["accuracy"]["value"], found["accuracy"]["n"]) == (0.25, 40)
    assert found["top5"]["value"] == (20 + 10) / 40


def test_the_null_guesses_the_most_frequent_classes_of_the_judged_images(make_set):
    # Of the model's classes 0 to 6 there are 3, 1, 0, 2, 1, 1 and 1 images; another class is none.
    labels = [0, 0, 0, 1, 3, 3, 4, 5, 6, 7, 7]
    pixels = np.zeros((11, 2, 2, 1), np.uint8)
    pixels[:, 1, 1, 0] = np.arange(11)
    images = make_set(pixels, labels, list("abcdefgh"), splits=["test"] * 11)
    matches = {name: index if index < 7 else None for index, name in enumerate("abcdefgh")}
    found = judged(images, matches)
    assert found["accuracy"]["n"] == 9
    assert found["accuracy"]["null"] == pytest.approx(3 / 9)
    assert found["top5"]["null"] == pytest.approx((3 + 2 + 1 + 1 + 1) / 9)


def test_of_copies_one_counts(make_set):
    """Twenty photographs, 51 times each, are twenty."""
    pixels = np.zeros((20 * 51, 2, 2, 1), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(20 * 51) % 20
    labels = [i % 4 for i in range(20 * 51)]
    many = make_set(pixels, labels, list("abcd"), splits=["test"] * len(labels))
    found = judged(many, {"a": 0, "b": 1, "c": 2, "d": 3})["accuracy"]
    assert found["n"] == 20
    assert found["interval"][1] - found["interval"][0] > 0.3


def test_nothing_in_common(images):
    assert judged(images, dict.fromkeys("abcd")) == {"accuracy": None, "top5": None}


def test_a_model_of_few_classes_has_no_top5(images):
    found = judged(images, {"a": 0, "b": 1, "c": 2, "d": 3}, classes=5)
    assert found["top5"] is None
    assert found["accuracy"]["n"] == 80


def test_batches_shrink_as_images_grow(make_set):
    large = make_set(np.zeros((1, 600, 600, 3), np.uint8), [0], ["a"])
    assert accuracy.batch_size(large) * 600 * 600 <= accuracy.MOST_PIXELS
