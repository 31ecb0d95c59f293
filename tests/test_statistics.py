import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ks_2samp, rankdata, spearmanr, ttest_1samp

from tickle_core.statistics import (
    basic_interval,
    matched_gaussian_eigenvalues,
    mean_estimate,
    percentile_interval,
    proportion_interval,
    ranks,
    resample_counts,
    resampled_means,
    sign_flip_p_values,
    spearman,
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


numbers = st.lists(st.integers(-4, 4), min_size=2, max_size=20)  # with ties


@given(numbers.flatmap(lambda a: st.tuples(st.just(a), st.permutations(a))))
def test_spearman_is_scipys_with_ties_too(both):
    a, b = both
    np.testing.assert_array_equal(ranks(a), rankdata(a))
    if len(set(a)) > 1:
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)


def test_spearman_of_a_constant_is_no_number():
    assert np.isnan(spearman([1, 2, 3], [5, 5, 5]))
    assert spearman([1, 2, 3], np.exp([1, 2, 30])) == pytest.approx(1)


def test_bootstrapped_means_vary_as_means_of_samples_do():
    values = np.random.default_rng(0).normal(3, 2, (400, 2))
    draws = resampled_means(values, 0, 4000)
    assert draws.shape == (4000, 2)
    np.testing.assert_allclose(draws.mean(0), values.mean(0), atol=0.01)
    np.testing.assert_allclose(draws.std(0), values.std(0) / 20, rtol=0.05)
    np.testing.assert_allclose(draws[:, 0], resampled_means(values[:, 0], 0, 4000))


def test_the_interval_of_a_mean_holds_it_in_95_percent_of_samples():
    rng = np.random.default_rng(0)
    samples = [mean_estimate(rng.normal(1, 1, 60), seed) for seed in range(300)]
    held = np.mean([each["interval"][0] <= 1 <= each["interval"][1] for each in samples])
    assert 0.91 < held < 0.98
    assert samples[0]["n"] == 60


def test_sign_flips_reject_a_true_null_family_in_5_percent_of_cases():
    """Columns that depend on each other and whose scales differ, none with a mean."""
    rejected = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        values = rng.standard_t(3, (40, 1)) + rng.standard_t(3, (40, 8))
        p = sign_flip_p_values(values * np.geomspace(1e-3, 1e3, 8), rng, 300)
        rejected += p.min() <= 0.05
    assert 0.025 < rejected / 400 < 0.08


def test_sign_flips_of_one_column_agree_with_the_t_test():
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.1, 0.3):
        values = rng.normal(shift, 1, 80)
        found = sign_flip_p_values(values[:, None], rng)[0]
        assert found == pytest.approx(ttest_1samp(values, 0).pvalue, abs=0.02)


def test_sign_flips_find_the_one_column_with_a_mean_and_pay_for_the_others():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((50, 20))
    values[:, 4] += 0.6
    values[:, 7] = 0
    p = sign_flip_p_values(values, rng)
    assert p.argmin() == 4 and p[4] < 0.05
    assert p[7] == 1
    assert np.all(np.delete(p, 4) > 0.05)
    alone = sign_flip_p_values(values[:, [4]], rng)[0]
    assert alone < p[4]


def test_the_smallest_p_value_is_that_of_all_signs_alike():
    # Of 2^4 flips, two give the largest |sum|; they reach it in spite of rounding.
    values = np.array([[0.1], [0.3], [0.7], [1.1]])
    p = sign_flip_p_values(values, np.random.default_rng(0))
    assert p[0] == pytest.approx(2 / 16, abs=0.01)
