"""Pairs of images: those that attacks confuse, each image once."""

import numpy as np
import pandas as pd
import pytest

from tickle_core.errors import TickleError
from tickle_core.path import pairs

NAMES = ["cat", "dog", "owl"]
PREDICTED = np.arange(30) % 3
USABLE = np.ones(30, bool)


def flips(*rows):
    return pd.DataFrame(rows, columns=["own", "became", "count"])


def test_what_is_confused_most_comes_first():
    found = pairs.confused(flips((0, 1, 2), (1, 2, 9), (2, 0, 2)), PREDICTED)
    assert found == [(1, 2), (0, 1), (2, 0)]


def test_without_confusion_frequent_classes_take_turns():
    assert pairs.confused(flips(), np.array([2, 2, 2, 0, 0, 1])) == [(2, 0), (0, 1), (1, 2)]


def test_one_class_leads_nowhere():
    assert pairs.confused(flips(), np.zeros(5, int)) == []
    assert len(pairs.draw([], np.zeros(5, int), np.ones(5, bool), 3, 0)) == 0


def test_no_image_is_in_two_pairs():
    found = pairs.draw([(0, 1), (1, 2)], PREDICTED, USABLE, 100, 0)
    assert len(found) == 10  # there are ten of class 1, which both need
    assert len(np.unique(found.ends)) == found.ends.size
    np.testing.assert_array_equal(PREDICTED[found.ends], found.classes)


def test_pairs_of_classes_take_turns_and_only_usable_images_are_drawn():
    usable = np.arange(30) >= 12
    found = pairs.draw([(0, 1), (2, 0)], PREDICTED, usable, 4, 0)
    assert found.classes.tolist() == [[0, 1], [2, 0], [0, 1], [2, 0]]
    assert found.ends.min() >= 12


def test_classes_are_named_or_refused():
    assert pairs.of_names([["cat", "owl"]], NAMES) == [(0, 2)]
    with pytest.raises(TickleError, match="path.classes: the model has no class 'cot'; .*cat"):
        pairs.of_names([["cot", "owl"]], NAMES)
