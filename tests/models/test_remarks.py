"""What is said of a model once it was measured."""

import numpy as np
import pytest
import torch
from torch import nn

from tickle_core.models import remarks
from tickle_core.models.classifier import Classifier

CLASSES = 12


class Brightness(nn.Module):
    """Knows the class of an image by how bright it is; `order` says which logit is whose."""

    def __init__(self, order):
        super().__init__()
        self.order = torch.tensor(order)

    def forward(self, x):
        level = x.mean((1, 2, 3), keepdim=True).flatten(1) * 255 / 20
        return -(level - self.order).abs()


@pytest.fixture(scope="module")
def levels(make_set):
    """240 images, of one brightness per class; the classes are called 0 to 11."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % CLASSES
    names = sorted(map(str, range(CLASSES)))
    numbers = np.array([int(names[label]) for label in labels])
    pixels = numbers[:, None, None, None] * 20 + rng.integers(0, 3, (240, 8, 8, 1))
    return make_set(pixels.astype(np.uint8), labels.tolist(), names)


def told(images, order):
    """What is said of a network whose logits are of the classes in this order."""
    names = images.class_names
    card = {
        "class_names": names,
        "classes_of_dataset": {name: index for index, name in enumerate(names)},
        "preprocessing": {"mean": [0.0], "std": [1.0]},
        "architecture": {},
    }
    model = Classifier(Brightness(order), card, torch.device("cpu"))
    return list(remarks.on_outputs(model, images, seed=0))


def test_the_order_of_text_is_said(levels):
    (note,) = told(levels, [int(name) for name in levels.class_names])
    assert "in the order of text (0, 1, 10, 11, 2, 3, ...)" in note
    assert "not of numbers (0, 1, 2, 3, 4, 5, ...)" in note


def test_an_order_that_fits_much_better_is_pointed_out(levels):
    """A model whose logits are in the order of numbers."""
    _, note = told(levels, range(CLASSES))
    assert "fits much better: accuracy 1.00 instead of 0.1" in note
    assert "if what the model calls '11' is '3', '2' is '4'" in note


def test_a_model_that_knows_nothing_has_no_better_order(levels):
    assert len(told(levels, [0] * CLASSES)) == 1


def test_names_that_are_no_numbers_are_in_any_order(halves):
    assert not [note for note in told(halves, [0, 1]) if "order of text" in note]


class OneOutput(nn.Module):
    """Second class: bright on the left."""

    def __init__(self, ends_in):
        super().__init__()
        self.ends_in = ends_in

    def forward(self, x):
        second = self.ends_in(10 * x[..., :14].mean((1, 2, 3)) - 3)
        return torch.stack([-second / 2, second / 2], 1)


@pytest.mark.parametrize(("ends_in", "count"), [(torch.sigmoid, 1), (lambda x: x, 0)])
def test_an_output_that_looks_like_a_probability_is_pointed_out(ends_in, count, halves):
    card = {
        "class_names": ["left", "top"],
        "classes_of_dataset": {"left": 1, "top": 0},
        "preprocessing": {"mean": [0.0], "std": [1.0]},
        "architecture": {"adapters": [{"kind": "one_logit", "offset": 0.0}]},
    }
    model = Classifier(OneOutput(ends_in), card, torch.device("cpu"))
    notes = list(remarks.on_outputs(model, halves, seed=0))
    assert sum("is between 0 and 1 for each of 300 images" in note for note in notes) == count


def test_a_fitted_head_is_told_with_its_control():
    control = {"value": 0.11, "interval": [0.08, 0.15], "n": 400}
    head = {
        "module": "head",
        "features": 384,
        "images": 1200,
        "strength": 0.1,
        "converged": True,
        "control": control,
    }
    (note,) = remarks.on_head(head)
    assert "(head) was fitted to 1,200 train images, on the 384 features" in note
    assert "where labels are shuffled, the same fit is right on 11.0% [8.0%, 15.0%] of 400" in note
    assert list(remarks.on_head(None)) == []
