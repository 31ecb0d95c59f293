"""Whose logits are asked."""

import numpy as np
import pytest
import torch

from tests.concepts.conftest import concept, make_items, settings
from tests.concepts.small_layers import make_layer
from tickle_core.concepts import targets
from tickle_core.datasets.concept_sets.sets import ConceptSets

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def store(tmp_path):
    items = make_items(100, 60)
    tokens = np.random.default_rng(0).normal(size=(160, 2, 3))
    return items, make_layer(tmp_path / "a.zarr", tokens, items, lambda acts: acts[:, 0])[0].store


def sets_of(items, *sets):
    return ConceptSets(items, tuple(sets), {})


def test_classes_that_the_model_knows_each_with_its_logit(store):
    items, acts = store
    known = {"a": 7, "b": None, "c": 2, "d": 0}
    found = targets.choose(sets_of(items), acts, NAMES, known, settings())
    assert [(each.name, each.labels) for each in found] == [("a", (0,)), ("c", (2,)), ("d", (3,))]
    assert [set(each.logits.tolist()) for each in found] == [{7}, {2}, {0}]
    for each in found:
        assert set(acts.labels[each.rows]) == set(each.labels)
        assert acts.is_test[each.rows].all()
        assert (np.diff(each.rows) > 0).all()


def test_images_and_classes_are_bounded(store):
    items, acts = store
    known = dict.fromkeys(NAMES, 0)
    found = targets.choose(sets_of(items), acts, NAMES, known, settings(classes=2, class_images=10))
    assert [len(each.rows) for each in found] == [10, 10]


def test_without_images_enough_groups_stand_in_with_what_is_predicted(store):
    items, acts = store
    none = dict.fromkeys(NAMES)
    group = concept(items, np.flatnonzero(np.isin(items.stratum, [0, 2])), "pets", labels=(0, 2))
    other = concept(items, np.arange(40, 80), "a rule")
    [found] = targets.choose(sets_of(items, group, other), acts, NAMES, none, settings())
    assert (found.name, found.labels, len(found.rows)) == ("pets", (0, 2), 30)
    assert np.array_equal(found.logits, acts.predictions(found.rows))
    assert torch.tensor(found.logits).max() < 3
