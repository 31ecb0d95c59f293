"""PCA dimension: spectra, what a sample misses, blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from tickle_core.errors import TickleError
from tickle_core.geometry.captured import captured
from tickle_core.geometry.moments import (
    assign_blocks,
    block_moments,
    covariance_eigenvalues,
    in_own_span,
    merge,
    row_moments,
)
from tickle_core.geometry.pca import (
    cumulative_shares,
    estimate,
    fractional_dimension,
    sampling_bias,
)


def gaussian(rng, n, spectrum):
    """Rows with a covariance of the given eigenvalues, in a random orientation."""
    d = len(spectrum)
    rotation, _ = np.linalg.qr(rng.standard_normal((d, d)))
    return rng.standard_normal((n, d)) * np.sqrt(spectrum) @ rotation


def in_blocks(rows, blocks, seed=0):
    return block_moments([(rows, assign_blocks(len(rows), blocks, seed))], blocks)


def dimension(spectrum, variance=0.95):
    return fractional_dimension(cumulative_shares(spectrum), variance)


def row_eigenvalues(rows):
    return covariance_eigenvalues(row_moments(in_own_span(rows)))


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


@pytest.mark.parametrize(("n", "d"), [(300, 40), (40, 300)])
def test_coordinates_in_their_own_span_keep_all_distances(n, d):
    rows = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32) + 7
    coordinates = in_own_span(rows)
    assert coordinates.shape == (n, min(n, d))
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(coordinates @ coordinates.T, centred @ centred.T, atol=1e-9 * d)


# Dimension


@given(
    spectrum=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30),
    variance=st.floats(0.01, 0.99),
)
def test_rounded_up_it_is_the_least_number_that_holds_the_share(spectrum, variance):
    spectrum = np.sort(spectrum)[::-1]
    found = dimension(spectrum, variance)
    k = int(np.ceil(found - 1e-9))
    assert 1 <= k <= len(spectrum)
    assert spectrum[:k].sum() >= (variance - 1e-6) * spectrum.sum()
    assert spectrum[: k - 1].sum() < (variance + 1e-6) * spectrum.sum()


@pytest.mark.parametrize("scale", [1, 0.1, 1 / 3, 1e-30])
def test_of_equal_directions_it_is_the_share(scale):
    assert dimension(np.full(20, scale)) == pytest.approx(19)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4 / 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_constant_data_have_dimension_zero(value, dtype):
    rows = np.full((70, 5), value, dtype)
    assert np.array_equal(covariance_eigenvalues(merge(in_blocks(rows, 4))), np.zeros(5))
    assert dimension(np.zeros(5)) == 0
    found = estimate(captured(in_blocks(rows, 4), 5), 0.95, 70)
    assert found == {"value": 0.0, "interval": [0.0, 0.0], "n": 70, "raw": 0.0}


@pytest.mark.parametrize("rank", [1, 3, 10])
def test_planted_subspace(rank):
    rng = np.random.default_rng(rank)
    rows = gaussian(rng, 500, np.r_[np.ones(rank), np.zeros(40 - rank)]) + 1e4
    assert rank - 1 < dimension(row_eigenvalues(rows), 0.99) <= rank


def test_few_clusters_span_one_dimension_less_than_their_number():
    rng = np.random.default_rng(0)
    centres = 10 * np.linalg.qr(rng.standard_normal((50, 50)))[0][:6]
    rows = np.repeat(centres, 100, axis=0) + 0.01 * rng.standard_normal((600, 50))
    assert 4 < dimension(row_eigenvalues(rows), 0.99) <= 5


def test_dimension_is_that_of_scikit_dimension():
    from skdim.id import lPCA  # numba behind it takes seconds to load

    rng = np.random.default_rng(0)
    for n, d in ((300, 30), (30, 100), (1000, 64)):
        rows = gaussian(rng, n, np.arange(1, d + 1) ** -0.7)
        # alphaRatio is the share to retain; left at its default, it is 5 % and not 95 %.
        theirs = lPCA(ver="ratio", alphaRatio=0.95).fit(rows).dimension_
        assert np.ceil(dimension(row_eigenvalues(rows))) == theirs


def test_order_of_dimensions_and_vectors_does_not_matter():
    rng = np.random.default_rng(0)
    rows = gaussian(rng, 200, 1 / np.arange(1, 31))
    shuffled = rows[rng.permutation(200)][:, rng.permutation(30)]
    assert_same_eigenvalues(row_eigenvalues(shuffled), row_eigenvalues(rows))


# What a Gaussian sample shows


@pytest.mark.parametrize(
    ("power", "n", "expected"),
    [
        (0, 50, 45), (0, 500, 309), (0, 1000, 396),
        (1, 50, 41), (1, 500, 220), (1, 5000, 344),
        (2, 50, 8), (2, 500, 11),
    ],
)  # fmt: skip
def test_bias_is_what_a_finite_sample_misses(power, n, expected):
    """Dimension at 95 % of Gaussian samples in 512 dimensions with spectrum 1/i^power."""
    spectrum = np.arange(1, 513) ** -float(power)
    bias = sampling_bias(spectrum, n, 0.95, 8, np.random.default_rng(0))
    low, high = bias["range"]
    assert bias["draws"] == 8
    assert dimension(spectrum) + low - 1.5 <= expected <= dimension(spectrum) + high + 1.5
    assert low <= bias["value"] <= high


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
