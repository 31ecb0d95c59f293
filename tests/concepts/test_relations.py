"""Relations between concepts: what sets that share images give anyway."""

import numpy as np
import pytest

from tests.concepts.conftest import concept, make_items
from tickle_core.concepts.relations import relations


@pytest.fixture
def items():
    return make_items(800, 0)


def one_pair(items, sets, acts):
    [row] = relations(sets, items, acts, seed=0).to_dict("records")
    return row


def test_sets_without_meaning_have_the_cosine_that_their_overlap_gives(items):
    """In noise, vectors of random sets are as alike as their images are."""
    inside = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        acts = rng.normal(size=(800, 200))
        order = rng.permutation(800)
        one, other = concept(items, order[:200], "a"), concept(items, order[100:300], "b")
        row = one_pair(items, [one, other], acts)
        assert row["shared"] == pytest.approx(0.5)
        assert row["null"] > 0.25  # of half their images
        inside += row["null_low"] <= row["cosine"] <= row["null_high"]
    assert inside >= 16


def test_sets_that_share_no_image_and_a_direction_are_beyond_their_null(items):
    rng = np.random.default_rng(0)
    acts = rng.normal(size=(800, 50))
    order = rng.permutation(800)
    one, other = concept(items, order[:150], "a"), concept(items, order[150:300], "b")
    acts[order[:300], 0] += 4
    row = one_pair(items, [one, other], acts)
    assert row["shared"] == 0
    assert row["cosine"] > row["null_high"]


def test_groups_of_classes_are_held_against_groups_of_classes(items):
    """Two groups of two of four classes that share one: any such groups are as alike."""
    rng = np.random.default_rng(1)
    acts = rng.normal(size=(4, 60))[items.stratum] * 5 + rng.normal(size=(800, 60))
    one, other = (
        concept(items, np.flatnonzero(np.isin(items.stratum, labels)), name, labels=labels)
        for name, labels in (("a", (0, 1)), ("b", (1, 2)))
    )
    row = one_pair(items, [one, other], acts)
    assert row["null_low"] <= row["cosine"] <= row["null_high"]
    assert row["shared"] == 0.5


def test_the_vector_is_the_mean_less_that_of_evenly_weighted_others(items):
    rng = np.random.default_rng(2)
    acts = rng.normal(size=(800, 5))
    a = concept(items, np.flatnonzero(items.stratum == 0), "a", labels=(0,))
    b = concept(items, np.flatnonzero(items.stratum == 1), "b", labels=(1,))
    row = one_pair(items, [a, b], acts)
    means = np.stack([acts[items.stratum == label].mean(0) for label in range(4)])
    vectors = [means[k] - np.delete(means, k, 0).mean(0) for k in (0, 1)]
    unit = [vector / np.linalg.norm(vector) for vector in vectors]
    assert row["cosine"] == pytest.approx(unit[0] @ unit[1])
