import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from tickle_core.errors import TickleError
from tickle_core.geometry.dimension import (
    analyse,
    bootstrap_interval,
    cumulative_shares,
    fractional_dimension,
    gaussian_null,
    pca_dimension,
)
from tickle_core.geometry.moments import (
    assign_blocks,
    block_moments,
    covariance_eigenvalues,
    merge,
    row_eigenvalues,
    row_moments,
)


def gaussian(rng, n, spectrum):
    """Rows with a covariance of the given eigenvalues, in a random orientation."""
    d = len(spectrum)
    rotation, _ = np.linalg.qr(rng.standard_normal((d, d)))
    return rng.standard_normal((n, d)) * np.sqrt(spectrum) @ rotation


def in_blocks(rows, blocks, seed=0):
    return block_moments([(rows, assign_blocks(len(rows), blocks, seed))], blocks)


def reference_eigenvalues(rows):
    rows = rows.astype(np.float64)
    return np.linalg.eigvalsh(np.cov(rows - rows[0], rowvar=False))[::-1]


def assert_same_eigenvalues(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * expected[0])


# Eigenvalues


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(8, 120),
    d=st.integers(2, 40),
    chunk=st.integers(1, 50),
    blocks=st.integers(1, 8),
    offset=st.sampled_from([0.0, 1e4, -1e4]),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_streamed_eigenvalues_are_the_full_ones(n, d, chunk, blocks, offset, dtype, seed):
    rng = np.random.default_rng(seed)
    rows = (gaussian(rng, n, 1 / np.arange(1, d + 1)) + offset).astype(dtype)
    ids = assign_blocks(n, blocks, seed)
    order = rng.permutation(n)
    chunks = [(rows[order[i : i + chunk]], ids[order[i : i + chunk]]) for i in range(0, n, chunk)]
    whole = merge(block_moments(chunks, blocks))
    assert whole.n == n
    # A mean near 0 is exact to the rounding of the values that cancel in it.
    mean, size = rows.astype(np.float64).mean(axis=0), np.abs(rows).max()
    np.testing.assert_allclose(whole.mean, mean, rtol=1e-12, atol=1e-15 * size)
    expected = reference_eigenvalues(rows)
    if expected[0] > 0:
        assert_same_eigenvalues(covariance_eigenvalues(whole), expected)


@pytest.mark.parametrize(("n", "d"), [(300, 40), (40, 300)])
def test_eigenvalues_are_those_of_scikit_learn(n, d):
    rows = gaussian(np.random.default_rng(0), n, 1 / np.arange(1, d + 1)) + 7
    expected = PCA(svd_solver="full").fit(rows).explained_variance_
    assert_same_eigenvalues(row_eigenvalues(rows), expected)
    assert_same_eigenvalues(covariance_eigenvalues(row_moments(rows))[: min(n, d)], expected)


def test_counts_repeat_whole_parts():
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal((n, 6)) + n for n in (5, 9, 20))
    merged = merge([row_moments(part) for part in (a, b, c)], np.array([2, 0, 1]))
    expected = row_moments(np.concatenate([a, a, c]))
    assert merged.n == expected.n
    np.testing.assert_allclose(merged.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(merged.scatter, expected.scatter, rtol=1e-12, atol=1e-10)


def test_moving_float32_activations_changes_nothing():
    rng = np.random.default_rng(0)
    # Multiples of 1/64 survive the move in float32 exactly.
    rows = np.round(gaussian(rng, 400, 1 / np.arange(1, 33)) * 64).astype(np.float32) / 64
    moved = rows + np.float32(1e3)
    assert_same_eigenvalues(row_eigenvalues(moved), row_eigenvalues(rows))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4 / 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_constant_data_have_dimension_zero(value, dtype):
    rows = np.full((70, 5), value, dtype)
    for found in (row_eigenvalues(rows), covariance_eigenvalues(merge(in_blocks(rows, 4)))):
        assert np.array_equal(found, np.zeros(5))
        assert pca_dimension(found, 0.95) == 0
        assert np.array_equal(cumulative_shares(found), np.zeros(5))
    assert bootstrap_interval(in_blocks(rows, 4), 0.95, 5, np.random.default_rng(0)) == [0, 0]


# Dimension


@given(
    spectrum=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30),
    variance=st.floats(0.01, 0.99),
)
def test_dimension_is_the_least_number_that_holds_the_share(spectrum, variance):
    spectrum = np.sort(spectrum)[::-1]
    k = pca_dimension(spectrum, variance)
    assert 1 <= k <= len(spectrum)
    assert spectrum[:k].sum() >= (variance - 1e-6) * spectrum.sum()
    assert spectrum[: k - 1].sum() < (variance + 1e-6) * spectrum.sum()
    assert k - 1 < fractional_dimension(spectrum, variance) <= k + 1e-6


@pytest.mark.parametrize("scale", [1, 0.1, 1 / 3, 1e-30])
def test_a_share_that_is_met_exactly_counts_as_met(scale):
    assert pca_dimension(np.full(20, scale), 0.95) == 19


@pytest.mark.parametrize("rank", [1, 3, 10])
def test_planted_subspace(rank):
    rng = np.random.default_rng(rank)
    rows = gaussian(rng, 500, np.r_[np.ones(rank), np.zeros(40 - rank)]) + 1e4
    assert pca_dimension(row_eigenvalues(rows), 0.99) == rank


def test_isotropic_data_fill_their_space():
    rows = np.random.default_rng(0).standard_normal((20_000, 30))
    assert pca_dimension(row_eigenvalues(rows), 0.95) == np.ceil(0.95 * 30)


def test_few_clusters_span_one_dimension_less_than_their_number():
    rng = np.random.default_rng(0)
    centres = 10 * np.linalg.qr(rng.standard_normal((50, 50)))[0][:6]
    rows = np.repeat(centres, 100, axis=0) + 0.01 * rng.standard_normal((600, 50))
    assert pca_dimension(row_eigenvalues(rows), 0.99) == 5


def test_dimension_is_that_of_scikit_dimension():
    from skdim.id import lPCA  # numba behind it takes seconds to load

    rng = np.random.default_rng(0)
    for n, d in ((300, 30), (30, 100), (1000, 64)):
        rows = gaussian(rng, n, np.arange(1, d + 1) ** -0.7)
        # alphaRatio is the share to retain; left at its default, it is 5 % and not 95 %.
        theirs = lPCA(ver="ratio", alphaRatio=0.95).fit(rows).dimension_
        assert pca_dimension(row_eigenvalues(rows), 0.95) == theirs


def test_order_of_dimensions_and_vectors_does_not_matter():
    rng = np.random.default_rng(0)
    rows = gaussian(rng, 200, 1 / np.arange(1, 31))
    shuffled = rows[rng.permutation(200)][:, rng.permutation(30)]
    assert_same_eigenvalues(row_eigenvalues(shuffled), row_eigenvalues(rows))


# The null and the interval


@pytest.mark.parametrize(
    ("power", "n", "expected"),
    [
        (0, 50, 45), (0, 500, 309), (0, 1000, 396),
        (1, 50, 41), (1, 500, 220), (1, 5000, 344),
        (2, 50, 8), (2, 500, 11),
    ],
)  # fmt: skip
def test_null_shows_what_a_finite_sample_shows(power, n, expected):
    """Dimension at 95 % of Gaussian samples in 512 dimensions with spectrum 1/i^power."""
    spectrum = np.arange(1, 513) ** -float(power)
    null = gaussian_null(spectrum, n, 0.95, 8, np.random.default_rng(0))
    low, high = null["interval"]
    assert null["draws"] == 8
    assert low - 1 <= expected <= high + 1
    assert low <= null["mean"] <= high


def test_null_holds_the_dimension_of_large_gaussian_samples():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(20):
        eigenvalues = row_eigenvalues(gaussian(rng, 4000, np.exp(-np.arange(32) / 8)))
        low, high = gaussian_null(eigenvalues, 4000, 0.95, 40, rng)["interval"]
        held += low <= pca_dimension(eigenvalues, 0.95) <= high
    assert held >= 17


def test_null_falls_below_the_dimension_of_small_samples():
    rng = np.random.default_rng(0)
    eigenvalues = row_eigenvalues(rng.standard_normal((100, 64)))
    null = gaussian_null(eigenvalues, 100, 0.95, 20, rng)
    assert null["interval"][1] < pca_dimension(eigenvalues, 0.95) < 61


@pytest.mark.parametrize("n", [300, 3000])
@pytest.mark.parametrize("decay", ["power", "exponential"])
def test_interval_covers_the_truth(decay, n):
    i = np.arange(1, 33)
    spectrum = 1 / i if decay == "power" else np.exp(-i / 8)
    truth = pca_dimension(spectrum, 0.95)
    rng = np.random.default_rng(n)
    covered = 0
    for _ in range(30):
        rows = gaussian(rng, n, spectrum)
        low, high = bootstrap_interval(in_blocks(rows, 20), 0.95, 100, rng)
        covered += low <= truth <= high
    assert covered >= 26


def test_interval_takes_tokens_of_an_image_as_one():
    """Repeating each image 16 times adds no information and must not narrow the interval."""
    rng = np.random.default_rng(0)
    rows = gaussian(rng, 300, np.arange(1, 33) ** -1.5)
    ids = assign_blocks(300, 20, 0)
    once = block_moments([(rows, ids)], 20)
    repeated = block_moments([(np.repeat(rows, 16, axis=0), np.repeat(ids, 16))], 20)
    interval = bootstrap_interval(once, 0.95, 100, np.random.default_rng(1))
    assert bootstrap_interval(repeated, 0.95, 100, np.random.default_rng(1)) == interval
    assert interval[1] > interval[0]


# Blocks


def test_blocks_are_even_and_seeded():
    ids = assign_blocks(103, 20, 5)
    assert set(np.bincount(ids)) == {5, 6}
    assert np.array_equal(ids, assign_blocks(103, 20, 5))
    assert not np.array_equal(ids, assign_blocks(103, 20, 6))


def test_an_empty_block_is_refused():
    with pytest.raises(TickleError, match="only 3 of 5 blocks.*dimension.blocks"):
        in_blocks(np.ones((3, 2)), 5)


@pytest.mark.parametrize("block", [-1, 2])
def test_an_unknown_block_is_refused(block):
    with pytest.raises(ValueError, match="not all in 0 .. 1"):
        block_moments([(np.ones((3, 2)), np.array([0, 1, block]))], 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(TickleError, match="NaN or infinity"):
        row_moments(np.array([[1.0, 2.0], [value, 1.0]]))


def test_bfloat16_that_was_not_decoded_is_refused():
    with pytest.raises(ValueError, match="uint16"):
        row_moments(np.ones((3, 2), np.uint16))


def test_a_single_vector_has_no_covariance():
    with pytest.raises(ValueError, match="at least 2"):
        row_eigenvalues(np.ones((1, 3)))


# The whole analysis

SETTINGS = SimpleNamespace(variance=0.95, blocks=10, resamples=30, null_draws=10)
WIDTH = 24


def layer(seed=0, images=(150, 100, 120), positions=9):
    """Pooled vectors, labels and token chunks; each class varies in 4 dimensions of its own."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0]
    labels = np.repeat(np.arange(3), images)
    own = 4 * labels[:, None] + np.arange(4)
    tokens = np.zeros((len(labels), positions, WIDTH))
    coordinates = rng.standard_normal((len(labels), positions, 4))
    np.put_along_axis(tokens, np.broadcast_to(own[:, None], coordinates.shape), coordinates, 2)
    tokens = (tokens @ basis + 0.01 * rng.standard_normal(tokens.shape)).astype(np.float32)
    return tokens, labels


def analyse_layer(tokens, labels, seed=0, chunk=50):
    ids = assign_blocks(len(labels), SETTINGS.blocks, seed)
    chunks = (
        (tokens[i : i + chunk].reshape(-1, WIDTH), np.repeat(ids[i : i + chunk], tokens.shape[1]))
        for i in range(0, len(labels), chunk)
    )
    return analyse(tokens.mean(axis=1), labels, chunks, SETTINGS, seed)


def test_analysis_of_classes_in_subspaces():
    tokens, labels = layer()
    found = analyse_layer(tokens, labels)
    assert found["width"] == WIDTH
    assert found["variance"] == 0.95

    pooled, token = found["image"]["global"], found["token"]["global"]
    assert (pooled["n"], pooled["images"]) == (370, 370)
    assert (token["n"], token["images"]) == (370 * 9, 370)
    flat = tokens.reshape(-1, WIDTH)
    assert pooled["dimension"] == pca_dimension(reference_eigenvalues(tokens.mean(axis=1)), 0.95)
    assert token["dimension"] == pca_dimension(reference_eigenvalues(flat), 0.95)
    for unit in (pooled, token):
        assert unit["dimension"] in (11, 12)
        assert not unit["saturated"]
        assert unit["interval"][0] <= 12 <= unit["interval"][1]
        assert len(unit["spectrum"]) == WIDTH
        assert unit["spectrum"][-1] == pytest.approx(1)
        assert unit["spectrum"][unit["dimension"] - 1] >= 0.95

    assert [each["n"] for each in found["image"]["by_n"]] == [92, 185, 370]
    assert found["image"]["by_n"][-1]["dimension"] == pooled["dimension"]
    classes = found["image"]["classes"]
    assert [each["label"] for each in classes] == [0, 1, 2]
    assert {each["n"] for each in classes} == {100}
    assert {each["dimension"] for each in classes} == {4}
    assert found["image"]["any_class"]["interval"][0] > 9


def test_classes_drawn_at_random_show_the_dimension_of_any_class():
    tokens, labels = layer()
    shuffled = np.random.default_rng(1).permutation(labels)
    image = analyse_layer(tokens, shuffled)["image"]
    mean = np.mean([each["dimension"] for each in image["classes"]])
    assert mean == pytest.approx(image["any_class"]["mean"], abs=0.7)


def test_classes_smaller_than_the_width_are_flagged():
    rng = np.random.default_rng(0)
    vectors, labels = rng.standard_normal((40, WIDTH)), np.arange(40) % 4
    tokens = [(vectors, assign_blocks(40, SETTINGS.blocks, 0))]
    found = analyse(vectors, labels, tokens, SETTINGS, 0)
    for each in found["image"]["classes"]:
        assert each["dimension"] <= 9
        assert each["saturated"]
        assert each["null"]["mean"] <= each["dimension"]
    assert found["image"]["global"]["saturated"]


def test_classes_are_compared_at_the_size_of_the_smallest():
    vectors = np.random.default_rng(0).standard_normal((310, WIDTH))
    labels = np.repeat([4, 9], [300, 10])
    tokens = [(vectors, assign_blocks(310, SETTINGS.blocks, 0))]
    large, small = analyse(vectors, labels, tokens, SETTINGS, 0)["image"]["classes"]
    assert large["n"] == small["n"] == 10
    # Ten vectors span nine dimensions; three hundred would show 22.
    assert max(large["dimension"], small["dimension"]) <= 9


def test_analysis_is_seeded_and_ready_for_json():
    # Without structure, so that every draw shows.
    tokens = np.random.default_rng(0).standard_normal((90, 2, WIDTH))
    labels = np.arange(90) % 3
    found = analyse_layer(tokens, labels, seed=3)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert analyse_layer(tokens, labels, seed=3) == found
    # How the tokens are cut into chunks is none of the result's business.
    other = analyse_layer(tokens, labels, seed=3, chunk=7)["token"]["global"]
    assert other["dimension"] == found["token"]["global"]["dimension"]
    assert other["interval"] == found["token"]["global"]["interval"]
    np.testing.assert_allclose(other["spectrum"], found["token"]["global"]["spectrum"], rtol=1e-12)


def test_a_layer_that_never_varies_is_answered():
    labels = np.arange(40) % 2
    found = analyse_layer(np.full((40, 4, WIDTH), 0.1, np.float32), labels)
    for unit in (found["image"]["global"], found["token"]["global"]):
        assert (unit["dimension"], unit["interval"], unit["null"]["mean"]) == (0, [0, 0], 0)
    json.dumps(found, allow_nan=False)


def test_classes_of_few_images_are_left_out():
    vectors = np.random.default_rng(0).standard_normal((40, 3))
    labels = np.r_[np.zeros(30, int), np.full(9, 3), 7]
    tokens = [(vectors, assign_blocks(40, SETTINGS.blocks, 0))]
    found = analyse(vectors, labels, tokens, SETTINGS, 0)["image"]
    assert [each["label"] for each in found["classes"]] == [0]
    assert found["classes"][0]["n"] == 30
    none = analyse(vectors, np.arange(40), tokens, SETTINGS, 0)["image"]
    assert (none["classes"], none["any_class"]) == ([], None)
