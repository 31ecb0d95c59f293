"""Items whose activations are made up."""

import numpy as np

from tickle_core.datasets.concept_sets.sets import ConceptSet, Items
from tickle_core.params.concepts import Concepts

CLASSES = 4


def settings(**changes):
    """Those of a quick run."""
    values = {
        "sets": "mine",
        "images": 40,
        "pool": 1000,
        "partners": 20,
        "random_sets": 40,
        "strength": 0.1,
        "classes": 10,
        "class_images": 100,
        "path_images": 5,
        "shown": 3,
    }
    return Concepts(**(values | changes))


def make_items(train=400, test=200):
    """Natural items of CLASSES classes, train ones first."""
    count = train + test
    return Items(
        np.arange(count),
        np.empty((0, 4, 4, 1), np.uint8),
        np.arange(count) % CLASSES,
        np.arange(count) >= train,
    )


def concept(items, members, name="c", labels=(), matched=False):
    """A concept of some items, all others outside."""
    members = np.sort(members)
    source = "classes" if labels else "pixels" if matched else "folder"
    outside = np.setdiff1d(items.natural, members)
    return ConceptSet(name, source, members, outside, matched, labels, {})
