"""Concept vectors: an independent library, and sets whose vectors are known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tickle_core.concepts import vectors


def sets(rng, n=40, d=6, shift=1.0):
    acts = rng.normal(size=(2 * n, d)) * np.linspace(0.1, 5, d) + 3
    acts[:n, 0] += shift * 0.1
    acts[:n, -1] += shift
    return acts.astype(np.float32), np.arange(n), np.arange(n, 2 * n)


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("d", [6, 200])
def test_the_logistic_vector_is_scikit_learn_s(strength, d):
    """With more dimensions than rows it lies in the span of the rows."""
    rng = np.random.default_rng(0)
    acts, own, other = sets(rng, d=d)
    found = vectors.fit(acts, own[None], other[None], strength)
    rows = np.concatenate([own, other])
    x = acts[rows].astype(float)
    scaled = (x - x.mean(0)) / x.std(0)
    label = np.arange(len(rows)) < len(own)
    reference = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(scaled, label)
    expected = reference.coef_[0] / x.std(0)
    np.testing.assert_allclose(
        found.logistic[0], expected / np.linalg.norm(expected), rtol=1e-3, atol=1e-5
    )
    predicted = x @ found.logistic[0] > found.offsets[0]
    assert np.array_equal(predicted, reference.predict(scaled))


def test_many_fits_at_once_are_the_same_as_one_by_one():
    rng = np.random.default_rng(1)
    acts, own, other = sets(rng)
    concept = rng.choice(own, (9, 30))
    others = rng.choice(other, (9, 30))
    together = vectors.fit(acts, concept, others, 0.1)
    for place in range(9):
        single = vectors.fit(acts, concept[[place]], others[[place]], 0.1)
        for kind in vectors.KINDS:
            np.testing.assert_allclose(
                single.of(kind)[0], together.of(kind)[place], rtol=1e-4, atol=1e-7
            )


def test_the_mean_vector_is_the_difference_of_means():
    rng = np.random.default_rng(2)
    acts, own, other = sets(rng)
    found = vectors.fit(acts, own[None], other[None], 0.1).mean[0]
    difference = acts[own].mean(0, dtype=float) - acts[other].mean(0, dtype=float)
    np.testing.assert_allclose(found, difference / np.linalg.norm(difference), rtol=1e-5)


def test_the_pattern_recovers_a_signal_that_correlated_noise_tilts_the_filter_away_from():
    """Haufe et al.'s example: a second channel holds the noise of the first and no signal."""
    rng = np.random.default_rng(3)
    n = 2000
    signal = np.repeat([1.0, -1.0], n)
    noise = rng.normal(size=2 * n) * 2
    acts = np.stack([signal + noise, noise + 0.1 * rng.normal(size=2 * n)], axis=1)
    found = vectors.fit(acts, np.arange(n)[None], np.arange(n, 2 * n)[None], 100.0)
    true = np.array([1.0, 0.0])
    assert found.pattern[0] @ true > 0.98
    assert found.mean[0] @ true > 0.98
    # The filter subtracts what the second channel knows of the noise.
    assert found.logistic[0] @ true < 0.75
    assert found.logistic[0][1] < -0.5


def test_a_strong_penalty_turns_the_logistic_vector_into_the_difference_of_means():
    """Of standardised dimensions: C is a dial between filter and pattern."""
    rng = np.random.default_rng(4)
    acts = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5))
    acts = (acts - acts.mean(0)) / acts.std(0)
    own, other = np.arange(100)[None], np.arange(100, 200)[None]
    found = vectors.fit(acts, own, other, 1e-6)
    assert found.logistic[0] @ found.mean[0] > 0.999


def test_exchanging_the_sets_turns_every_vector_round():
    rng = np.random.default_rng(5)
    acts, own, other = sets(rng)
    there = vectors.fit(acts, own[None], other[None], 0.1)
    back = vectors.fit(acts, other[None], own[None], 0.1)
    for kind in vectors.KINDS:
        np.testing.assert_allclose(there.of(kind), -back.of(kind), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(there.offsets, -back.offsets, rtol=1e-4)


def test_silent_channels_and_equal_sets_give_zero_and_no_warning():
    acts = np.zeros((20, 3), np.float32)
    acts[:, 1] = np.random.default_rng(0).normal(size=20)
    found = vectors.fit(acts, np.arange(10)[None], np.arange(10, 20)[None], 0.1)
    for kind in vectors.KINDS:
        assert found.of(kind)[0, [0, 2]].tolist() == [0, 0]
    same = vectors.fit(acts * 0, np.arange(10)[None], np.arange(10, 20)[None], 0.1)
    assert not same.logistic.any()
