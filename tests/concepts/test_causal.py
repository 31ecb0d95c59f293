"""Projecting a concept out, behind tails whose answer is known."""

import numpy as np
import pytest
import torch

from tests.concepts.conftest import make_items
from tests.concepts.small_layers import make_layer
from tickle_core.concepts import causal

D = 8


@pytest.fixture
def layer(tmp_path):
    items = make_items(100, 100)
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(200, 5, D)) + 1

    def tail(acts):
        read = acts[:, :, 0].mean(1)
        return torch.stack([3 * read, -3 * read], 1)

    return items, *make_layer(tmp_path / "a.zarr", tokens, items, tail)


def controls(count=19):
    drawn = np.random.default_rng(1).normal(size=(count, D))
    drawn[:, 0] = 0  # nothing that the tail reads
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_what_the_tail_reads_is_missed_by_as_much_as_was_there(layer):
    items, acts, splice = layer
    read, silent = np.eye(D)[0], np.eye(D)[3]
    found = causal.without(
        np.stack([read, silent]), [controls(), controls()], items, acts, splice, 0
    )
    held_out = acts.pooled[100:]
    order = np.argsort(-held_out[:, 0])[: causal.IMAGES]
    logits = 3 * held_out[order, 0]
    # Every patch falls to the mean along the vector: the logit falls by what was beyond it.
    expected = 3 * (held_out[order, 0] - held_out[:, 0].mean()) / logits.std(ddof=1)
    assert found[0]["value"] == pytest.approx(expected.mean(), rel=1e-4)
    assert found[0]["n"] == causal.IMAGES
    assert found[1]["value"] == pytest.approx(0, abs=1e-5)


def test_the_control_changes_as_much_and_is_a_null(layer):
    items, acts, splice = layer
    rng = np.random.default_rng(2)
    mixed = rng.normal(size=(19, D))
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    [found] = causal.without(np.eye(D)[:1], [mixed], items, acts, splice, 0)
    assert found["null"]["range"][0] < 0 < found["null"]["range"][1]
    # Along u, the tail reads as much of the same length as u has of its direction.
    assert found["null"]["range"][1] == pytest.approx(found["value"] * mixed[:, 0].max(), rel=1e-3)
    assert found["p"] < 0.1


def test_a_direction_that_is_as_good_as_random_ones_has_a_large_p(layer):
    items, acts, splice = layer
    rng = np.random.default_rng(3)
    drawn = rng.normal(size=(40, D))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    # Each as a concept, with its own lengths along the others: signs are as they fall.
    found = causal.without(drawn[:20], [drawn[20:]] * 20, items, acts, splice, 0)
    assert np.mean([each["p"] <= 0.05 for each in found]) <= 0.2
