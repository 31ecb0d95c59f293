"""TCAV scores: gradients, identities, and what a linear tail does to them."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from tests.concepts.conftest import make_items
from tests.concepts.small_layers import make_layer
from tickle_core.concepts import localisation, tcav, vectors
from tickle_core.concepts.tcav import Target


def curved(acts):
    """Two logits: one that rises with the square of the first channel, one linear."""
    pooled = acts.mean(1)
    return torch.stack([pooled[:, 0].square() + pooled[:, 1], 3 * pooled[:, 2]], 1)


@pytest.fixture
def layer(tmp_path):
    items = make_items(40, 20)
    tokens = np.random.default_rng(0).normal(size=(60, 6, 4))
    return make_layer(tmp_path / "a.zarr", tokens, items, curved, prefix=["class", "class"])


def targets(*parts):
    return [
        Target(f"t{place}", (place,), np.array(rows), np.full(len(rows), logit))
        for place, (rows, logit) in enumerate(parts)
    ]


def test_gradients_are_those_of_autograd_summed_over_patches(layer):
    items, splice = layer
    asked = tcav.ask(targets((range(40, 60), 0), (range(3, 30, 2), 1)))
    found = tcav.gradients(asked, items.store, splice)
    tokens = torch.from_numpy(items.tokens(np.arange(60)))
    pooled = tokens.mean(1)
    # Four of six positions are patches, and each carries a sixth of the mean.
    first = torch.zeros(20, 4)
    first[:, 0], first[:, 1] = 2 * pooled[40:60, 0] * 4 / 6, 4 / 6
    np.testing.assert_allclose(found[:20], first, rtol=1e-5)
    np.testing.assert_allclose(found[20:], np.tile([0, 0, 2, 0], (14, 1)), rtol=1e-5)
    assert asked.of_target.tolist() == [0] * 20 + [1] * 14


def test_an_image_of_several_targets_goes_through_the_tail_once(layer):
    items, splice = layer
    asked = tcav.ask(targets((range(10), 1), (range(5, 15), 1)))
    found = tcav.gradients(asked, items.store, splice)
    assert splice.tail.backward_passes == 15
    np.testing.assert_array_equal(found[5:10], found[10:15])


def test_scores_of_a_concept_and_of_its_opposite_add_up_to_one():
    rng = np.random.default_rng(1)
    acts = rng.normal(size=(200, 8)).astype(np.float32)
    acts[:100, 2] += 1
    slopes, of_target = rng.normal(size=(60, 8)).astype(np.float32), np.repeat([0, 1, 2], 20)
    concept, others = rng.choice(100, (10, 40)), 100 + rng.choice(100, (10, 40))
    there = vectors.fit(acts, concept, others, 0.1)
    back = vectors.fit(acts, others, concept, 0.1)
    for kind in vectors.KINDS:
        one, other = (
            tcav.scores(slopes, of_target, each.of(kind), each.lengths, 10).score
            for each in (there, back)
        )
        np.testing.assert_allclose(one + other, 1)


def test_scores_are_shares_of_images_and_their_spread_over_runs():
    slopes = np.array([[1.0, 0], [1, 0], [-1, 0], [0, 5]], np.float32)
    runs = np.array([[1.0, 0], [0, 1.0], [-1.0, 0], [1.0, 0]])
    found = tcav.scores(slopes, np.array([0, 0, 0, 1]), runs, np.ones(4), 2)
    np.testing.assert_allclose(found.score, [[(2 / 3 + 0) / 2, 0.5], [(1 / 3 + 2 / 3) / 2, 0]])
    np.testing.assert_allclose(found.low[0], [0, 0])
    np.testing.assert_allclose(found.high[0], [2 / 3, 1])


def test_the_steadiness_of_random_sets_is_standard_normal_whatever_the_runs():
    rng = np.random.default_rng(0)
    for runs in (5, 50):
        sets = rng.normal(size=(20_000, 1, 1)) / 2**0.5
        found = tcav.steadiness(sets + rng.normal(size=(20_000, runs, 1)))[:, 0]
        assert kstest(found, "norm").pvalue > 0.01
        assert np.mean(np.abs(found) > 3) < 0.005


def test_the_steadiness_grows_with_the_mean_and_keeps_its_sign():
    along = np.ones((3, 10, 1)) * np.array([0.0, 50, -50])[:, None, None]
    along += np.random.default_rng(0).normal(size=(1, 10, 1))
    low, high, opposite = tcav.steadiness(along)[:, 0]
    assert abs(low) < 2 and high > 5 and opposite < -5
    assert tcav.steadiness(np.ones((1, 4, 1)))[0, 0] == 0  # nothing varies


def test_behind_a_linear_tail_every_score_is_zero_or_one(tmp_path):
    items = make_items(40, 20)
    tokens = np.random.default_rng(0).normal(size=(60, 3, 4))
    weights = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    layer, splice = make_layer(
        tmp_path / "a.zarr", tokens, items, lambda acts: acts.mean(1) @ weights
    )
    asked = tcav.ask(targets((range(40, 60), 0), (range(40, 60), 0)))
    slopes = tcav.gradients(asked, layer.store, splice)
    runs = np.random.default_rng(1).normal(size=(30, 4))
    assert set(tcav.scores(slopes, asked.of_target, runs, np.ones(30), 2).low.ravel()) <= {0.0, 1.0}


def test_attributions_along_an_orthonormal_basis_add_up_to_the_change(layer):
    """Along all axes together nothing is left out, but for the class tokens' part."""
    items, splice = layer
    asked = tcav.ask(targets((range(40, 60), 0)))
    basis = np.linalg.qr(np.random.default_rng(2).normal(size=(4, 4)))[0]
    baseline = items.tokens(np.arange(40)).mean(0)
    along, whole = localisation.projected(asked, items.store, splice, baseline, basis)
    ends = torch.from_numpy(items.tokens(np.arange(40, 60)))
    with torch.no_grad():
        change = curved(ends)[:, 0] - curved(torch.from_numpy(baseline)[None])[:, 0]
    np.testing.assert_allclose(whole, change, rtol=1e-4, atol=1e-5)
    # What the two class tokens carry is the rest: they move the mean as much as any patch does.
    moved = ends - torch.from_numpy(baseline)
    share = moved[:, 2:].sum(1) / moved.sum(1)
    middle = (ends.mean(1) + torch.from_numpy(baseline).mean(0)) / 2
    slopes = torch.stack([2 * middle[:, 0], torch.ones(20)], 1)
    patches = (slopes * moved.mean(1)[:, :2] * share[:, :2]).sum(1)
    np.testing.assert_allclose(along.sum(1), patches, rtol=1e-3, atol=1e-5)


def test_a_quadratic_s_attribution_along_a_vector_is_known(tmp_path):
    """f = (x . u)^2 / 2 from 0: all of it runs along u, and nothing across."""
    items = make_items(40, 20)
    tokens = np.random.default_rng(3).normal(size=(60, 1, 3))
    u = torch.tensor([0.6, 0.8, 0.0])
    layer, splice = make_layer(
        tmp_path / "a.zarr", tokens, items, lambda acts: ((acts[:, 0] @ u) ** 2 / 2)[:, None]
    )
    asked = tcav.ask(targets((range(40, 60), 0)))
    both = np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]])
    along, whole = localisation.projected(asked, layer.store, splice, np.zeros((1, 3)), both)
    expected = (tokens[40:60, 0] @ both[0]) ** 2 / 2
    np.testing.assert_allclose(along[:, 0], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(along[:, 1:], 0, atol=1e-5)
    np.testing.assert_allclose(whole, expected, rtol=1e-4, atol=1e-6)


def test_consistency_is_the_share_of_the_sign_that_most_have():
    along = np.array([[1.0, -1], [2, -3], [3, 4], [-1, -2]])
    assert localisation.consistency(along).tolist() == [0.75, 0.75]
