"""Control tasks, and the interval of what is read from them."""

import numpy as np
import pytest
from scipy.stats import norm

from tickle_core.probes import control


def blobs(n, seed, kinds=12):
    """Thumbnails of a few kinds that lie far apart."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, kinds, n)
    centres = np.random.default_rng(7).integers(0, 255, (kinds, 16))
    return kind, centres[kind] + rng.normal(size=(n, 16))


def test_labels_are_a_function_of_what_the_image_looks_like():
    kind, train = blobs(600, 0)
    other_kind, test = blobs(300, 1)
    labels = np.random.default_rng(0).integers(0, 3, 600)
    for of_train, of_test in control.draw_labels(labels, train, test, 60, 3, seed=0):
        # More clusters than kinds: an image of the test part has the label of a train image that
        # is of its kind.
        for each in range(12):
            assert set(of_test[other_kind == each]) <= set(of_train[kind == each])


def test_classes_keep_their_frequency_among_the_clusters():
    _, train = blobs(600, 0)
    labels = np.repeat([0, 1, 2], [300, 200, 100])
    [(of_train, of_test)] = control.draw_labels(labels, train, train, 12, 1, seed=0)
    assert np.array_equal(of_train, of_test)
    clusters = {tuple(row): label for row, label in zip(train, of_train, strict=True)}
    shares = np.bincount(list(clusters.values())) / len(clusters)
    assert np.abs(shares - [1 / 2, 1 / 3, 1 / 6]).max() < 0.15


def test_draws_differ_and_are_seeded():
    _, train = blobs(300, 0)
    labels = np.arange(300) % 3
    first, again, other = (
        control.draw_labels(labels, train, train, 12, 3, seed=seed) for seed in (0, 0, 1)
    )
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0][0], other[0][0])
    assert not np.array_equal(first[0][0], first[1][0])


def simulate(rng, n, accuracy, control_accuracy, spread, draws=10):
    """Who is right on the class and on each control task; hard images are hard for all."""
    ease = rng.normal(size=n)
    own = 0.7 * ease + np.sqrt(1 - 0.7**2) * rng.normal(size=n)
    of_draws = 0.5 * ease + np.sqrt(1 - 0.5**2) * rng.normal(size=(draws, n))
    levels = np.clip(control_accuracy + spread * rng.normal(size=(draws, 1)), 0, 1)
    return own < norm.ppf(accuracy), of_draws < norm.ppf(levels)


@pytest.mark.parametrize("n", [10, 90, 1000])
@pytest.mark.parametrize(
    ("accuracy", "control_accuracy", "spread"),
    [(0.9, 0.43, 0.015), (0.9, 0.43, 0.04), (0.82, 0.35, 0.0), (0.1, 0.1, 0.02), (1.0, 0.95, 0.01)],
)
def test_intervals_hold_the_truth_of_other_images_and_draws(n, accuracy, control_accuracy, spread):
    rng = np.random.default_rng(0)
    runs = 400
    held = np.zeros(2)
    for _ in range(runs):
        right, controls = simulate(rng, n, accuracy, control_accuracy, spread)
        gaps, of_draws = right - controls.mean(axis=0), controls.mean(axis=1)
        estimates = (
            (control.estimate(gaps, of_draws, -1, 1), accuracy - control_accuracy),
            (control.estimate(controls.mean(axis=0), of_draws, 0, 1), control_accuracy),
        )
        for place, (found, truth) in enumerate(estimates):
            low, high = found["interval"]
            held[place] += low <= truth <= high
            assert low <= found["value"] <= high
            assert found["n"] == n
    # 0.93, but for the noise of so many runs.
    assert (held / runs >= 0.93 - 1.7 * np.sqrt(0.05 * 0.95 / runs)).all()


def test_intervals_are_not_wider_than_images_and_draws_make_them():
    rng = np.random.default_rng(0)
    right, controls = simulate(rng, 2000, 0.9, 0.43, 0.015)
    gaps, of_draws = right - controls.mean(axis=0), controls.mean(axis=1)
    low, high = control.estimate(gaps, of_draws, -1, 1)["interval"]
    error = np.sqrt(gaps.var() / 2000 + 0.015**2 / 10)
    assert high - low < 1.5 * 2 * 1.96 * error
    # One draw says nothing of the others: pretending that there is no spread is too narrow.
    without = np.full(10, of_draws.mean())
    low_without, high_without = control.estimate(gaps, without, -1, 1)["interval"]
    assert high_without - low_without < high - low
