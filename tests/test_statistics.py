import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ks_2samp

from tickle_core.statistics import (
    basic_interval,
    matched_gaussian_eigenvalues,
    percentile_interval,
    proportion_interval,
    resample_counts,
)


def direct_eigenvalues(eigenvalues, n, rng):
    """The slow and obvious draw: rows, their covariance, its eigenvalues."""
    rows = rng.standard_normal((n, len(eigenvalues))) * np.sqrt(eigenvalues)
    return np.linalg.eigvalsh(np.cov(rows, rowvar=False))[::-1]


@pytest.mark.parametrize("n", [2, 6, 12, 13, 14, 40, 400])
def test_null_eigenvalues_are_distributed_as_those_of_gaussian_samples(n):
    spectrum = 1 / np.arange(1, 13)
    rng = np.random.default_rng(n)
    drawn = np.array([matched_gaussian_eigenvalues(spectrum, n, rng) for _ in range(2000)])
    direct = np.array([direct_eigenvalues(spectrum, n, rng) for _ in range(2000)])

    error = np.sqrt((drawn.var(axis=0) + direct.var(axis=0)) / 2000)
    assert np.all(np.abs(drawn.mean(axis=0) - direct.mean(axis=0)) < 4 * error + 1e-12)
    for i in range(min(n - 1, 12)):
        assert ks_2samp(drawn[:, i], direct[:, i]).pvalue > 1e-4
    # The sample covariance is unbiased, so its mean trace is the trace.
    total = drawn.sum(axis=1)
    assert abs(total.mean() - spectrum.sum()) < 4 * total.std() / np.sqrt(2000)


@given(
    spectrum=st.lists(st.floats(0, 1e6), min_size=1, max_size=12),
    n=st.integers(2, 30),
    seed=st.integers(0, 2**32 - 1),
)
def test_null_eigenvalues_descend_and_have_the_rank_of_the_sample(spectrum, n, seed):
    spectrum = np.array(spectrum)
    drawn = matched_gaussian_eigenvalues(spectrum, n, np.random.default_rng(seed))
    again = matched_gaussian_eigenvalues(spectrum, n, np.random.default_rng(seed))
    assert drawn.shape == spectrum.shape
    assert np.all(drawn >= 0)
    assert np.all(np.diff(drawn) <= 0)
    assert np.sum(drawn > 1e-9 * spectrum.max()) <= min(n - 1, np.count_nonzero(spectrum))
    assert np.array_equal(drawn, again)


def test_null_eigenvalues_of_a_huge_sample_are_those_of_the_gaussian():
    spectrum = np.array([5.0, 2.0, 1.0, 0.0])
    drawn = matched_gaussian_eigenvalues(spectrum, 10**12, np.random.default_rng(0))
    np.testing.assert_allclose(drawn, spectrum, rtol=1e-4, atol=1e-12)


def test_a_covariance_of_one_draw_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        matched_gaussian_eigenvalues(np.ones(3), 1, np.random.default_rng(0))


@given(
    counts=st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    level=st.floats(0.5, 0.999),
)
def test_proportion_interval_is_scipys(counts, level):
    successes, n = counts
    expected = binomtest(successes, n).proportion_ci(level, method="wilson")
    assert proportion_interval(successes, n, level) == pytest.approx(tuple(expected), abs=1e-9)


def test_proportion_interval_touches_the_ends_exactly():
    assert proportion_interval(0, 7)[0] == 0
    assert proportion_interval(7, 7)[1] == 1


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_proportions_are_refused(successes, n):
    with pytest.raises(ValueError, match="no proportion"):
        proportion_interval(successes, n)


def test_resampling_takes_as_many_as_there_are_and_each_equally_often():
    rng = np.random.default_rng(0)
    counts = np.array([resample_counts(8, rng) for _ in range(4000)])
    assert np.all(counts.sum(axis=1) == 8)
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.07)
    # With replacement: one place misses all 8 draws with probability (7/8)^8.
    assert np.mean(counts == 0) == pytest.approx((7 / 8) ** 8, abs=0.01)


def test_percentile_interval_of_known_draws():
    assert percentile_interval(np.arange(101), 0.9) == pytest.approx((5, 95))


def test_basic_interval_corrects_a_bias_that_resampling_shows():
    # A statistic that loses 3 each time a sample is taken: 7 was seen, so the truth is near 10.
    draws = np.random.default_rng(0).normal(4, 1, 20_000)
    assert basic_interval(7, draws) == pytest.approx((10 - 1.96, 10 + 1.96), abs=0.1)
