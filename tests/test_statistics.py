import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ks_2samp, rankdata, spearmanr, ttest_ind_from_stats, ttest_rel

from tickle_core.statistics import (
    LEAST_ACTIVE,
    LEAST_ROWS,
    drawn,
    exceedance,
    holm,
    matched_gaussian_eigenvalues,
    mean_estimate,
    median_estimate,
    paired_difference,
    proportion_interval,
    ranks,
    ratio_estimate,
    ratio_intervals,
    single_case,
    spearman,
    spearman_estimate,
    swap_p_values,
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


def coverage(intervals, truth):
    """Of the intervals that are given, the share that holds the truth."""
    low, high = intervals
    given = np.isfinite(low)
    return np.mean((low <= truth) & (truth <= high), where=given), given.mean()


def rare(rng, n, columns, density):
    """Lognormal where a unit is active, which it is on a share of the images."""
    values = rng.lognormal(0, 1, (n, columns)) * (rng.random((n, columns)) < density)
    return values, density * np.exp(0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "density"),
    [(32, 0.5), (32, 1.0), (48, 0.2), (48, 0.5), (64, 0.1), (64, 1.0), (128, 0.05), (128, 0.08)]
    + [(128, 0.1), (128, 0.2), (128, 0.5), (128, 1.0), (1000, 0.02), (1000, 0.05), (1000, 1.0)],
)
def test_printed_intervals_of_rare_and_skewed_effects_cover(n, density):
    values, truth = rare(np.random.default_rng(0), n, 2000, density)
    held, printed = coverage(ratio_intervals(values, np.ones(n), 0), truth)
    assert held >= 0.93
    assert printed > 0.02
    given = np.isfinite(ratio_intervals(values, np.ones(n), 0)[0])
    assert np.array_equal(given, (values > 0).sum(0) >= LEAST_ACTIVE)


@pytest.mark.parametrize("n", [32, 64, 500])
def test_intervals_of_ratios_of_sums_cover(n):
    """Numerator and denominator depend on each other, as errors and variances of images do."""
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(40):
        below = rng.lognormal(0, 0.5, (n, 1))
        low, high = ratio_intervals(below * rng.gamma(1, 0.3, (n, 10)), below[:, 0], seed)
        covered += np.sum((low <= 0.3) & (high >= 0.3))
    assert covered / 400 >= 0.925  # 0.93 but for the noise of 400 runs


def test_intervals_are_neither_given_of_too_little_nor_wastefully_wide():
    rng = np.random.default_rng(0)
    normal = rng.normal(1, 1, (60, 400))
    low, high = ratio_intervals(normal, np.ones(60), 0)
    reach = 2.0 * normal.std(0, ddof=1) / 60**0.5
    assert np.median((high - low) / (2 * reach)) < 1.1
    few = rng.normal(1, 1, (LEAST_ROWS - 1, 3))
    assert np.isnan(ratio_intervals(few, np.ones(len(few)), 0)).all()


def test_an_estimate_says_why_it_has_no_interval():
    values = np.zeros(100)
    values[:4] = 1
    found = mean_estimate(values, 0)
    assert found == {
        "value": 0.04,
        "interval": None,
        "n": 100,
        "why": "too few: 4 of 100 are not 0",
    }
    assert mean_estimate(np.ones(50), 0)["why"] == "all alike"
    assert ratio_estimate(values, np.zeros(100), 0)["value"] is None
    values[:40] = np.arange(40)
    found = mean_estimate(values, 0)
    assert found["interval"][0] < found["value"] < found["interval"][1] and "why" not in found


def test_a_mean_is_a_ratio_to_ones_and_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).lognormal(size=80)
    assert mean_estimate(values, 3) == ratio_estimate(values, np.ones(80), 3)
    doubled = ratio_estimate(2 * values, np.full(80, 4.0), 3)
    assert doubled["interval"] == pytest.approx(np.divide(mean_estimate(values, 3)["interval"], 2))


@pytest.mark.parametrize(
    ("n", "lost", "gained"),
    [(100, 0.02, 0.01), (2000, 0.004, 0.001), (100, 0.2, 0.1), (50, 0, 0.02)],
)
def test_paired_differences_of_proportions_cover_where_few_cases_differ(n, lost, gained):
    rng = np.random.default_rng(0)
    counts = rng.multinomial(n, [lost, gained, 1 - lost - gained], 2000)
    held = 0
    for one, other, _ in counts:
        found = paired_difference(int(one), int(other), n)
        low, high = found["interval"]
        held += low <= lost - gained <= high
        assert low <= found["value"] <= high
    assert held / 2000 >= 0.94
    assert paired_difference(0, 0, n)["interval"][0] < 0 < paired_difference(0, 0, n)["interval"][1]


@pytest.mark.parametrize(("n", "rho"), [(12, 0.0), (20, 0.5), (64, 0.9), (300, 0.3)])
def test_intervals_of_rank_correlations_cover(n, rho):
    rng = np.random.default_rng(0)
    truth = 6 / np.pi * np.arcsin(rho / 2)  # of bivariate normals
    held = 0
    for _ in range(1000):
        a, b = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], n).T
        low, high = spearman_estimate(np.exp(a), b)["interval"]
        held += low <= truth <= high
    assert held / 1000 >= 0.93


def test_a_rank_correlation_without_ranks_or_of_few_units():
    assert spearman_estimate([1, 2, 3], [1, 1, 1]) is None
    few = spearman_estimate([1, 2, 3], [1, 2, 4])
    assert few["interval"] is None and few["why"] == "too few: 3"
    perfect = spearman_estimate(range(40), range(40))
    assert perfect["value"] == pytest.approx(1)
    assert perfect["interval"] is None and perfect["why"] == "all ranks agree"


def test_draws_of_a_null_come_as_a_range():
    assert drawn([3, 1, 2]) == {"value": 2.0, "range": [1.0, 3.0], "draws": 3}
    assert exceedance(5, [1, 2, 3]) == 0.25
    assert exceedance(2, [1, 2, 3]) == 0.75


def paired_effects(rng, n, columns, density, sigma=1.0):
    """Effects of top units and controls that share the image's scale; sparse and skewed alike."""
    scale = rng.lognormal(0, sigma, (n, 1))

    def effects():
        size = (n, columns)
        return scale * rng.lognormal(0, sigma, size) * (rng.random(size) < density)

    return effects(), effects()


@pytest.mark.parametrize("density", [0.05, 0.2, 1.0])
def test_swaps_keep_their_level_for_sparse_skewed_dependent_effects(density):
    claimed = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        one, other = paired_effects(rng, 128, 16, density)
        claimed += swap_p_values(one, other, rng, 300).min() <= 0.05
    assert claimed / 400 < 0.08  # 0.05 and the noise of 400 runs


@pytest.mark.parametrize(("density", "shift"), [(0.2, 9.0), (1.0, 0.5)])
def test_swaps_find_a_planted_effect(density, shift):
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        one, other = paired_effects(rng, 128, 16, density, 0.5)
        one[:, 3] *= 1 + shift
        p = swap_p_values(one, other, rng, 300)
        found += p[3] <= 0.05
    assert found >= 32


def test_swaps_of_one_column_agree_with_the_t_test():
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.1, 0.3):
        one, other = rng.normal(shift, 1, 80), rng.normal(0, 1, 80)
        found = swap_p_values(one[:, None], other[:, None], rng)[0]
        assert found == pytest.approx(ttest_rel(one, other).pvalue, abs=0.02)


def test_swaps_pay_for_the_number_of_columns():
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((50, 20)), np.zeros((50, 20))
    one[:, 4] += 0.6
    one[:, 7] = 0
    p = swap_p_values(one, other, rng)
    assert p.argmin() == 4 and p[4] < 0.05
    assert p[7] == 1
    assert np.all(np.delete(p, 4) > 0.05)
    assert swap_p_values(one[:, [4]], other[:, [4]], rng)[0] < p[4]


def test_the_smallest_p_value_is_that_of_all_swapped_alike():
    # Of 2^4 swaps, two give the largest |sum|; they reach it in spite of rounding.
    values = np.array([[0.1], [0.3], [0.7], [1.1]])
    p = swap_p_values(values, np.zeros_like(values), np.random.default_rng(0))
    assert p[0] == pytest.approx(2 / 16, abs=0.01)


@pytest.mark.parametrize("n", [10, 32, 500])
def test_intervals_of_medians_hold_the_truth(n):
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        low, high = median_estimate(rng.lognormal(0, 1, n))["interval"]
        held += low <= 1 <= high
    assert held / 1000 >= 0.93


def test_a_median_of_few_or_of_equal_values_has_no_interval():
    assert median_estimate(np.arange(5.0)) == {
        "value": 2.0,
        "interval": None,
        "n": 5,
        "why": "too few: 5",
    }
    assert median_estimate(np.ones(40))["why"] == "all alike"


def test_a_single_case_is_held_against_a_new_draw_of_the_null():
    """Crawford & Howell: t with n - 1 degrees of freedom and the variance of a new draw."""
    rng = np.random.default_rng(0)
    draws = rng.normal(3, 2, (30, 1))
    case = draws.mean() + 4 * draws.std(ddof=1)
    expected = ttest_ind_from_stats(
        case, 0, 1, draws.mean(), draws.std(ddof=1), len(draws), equal_var=True
    ).pvalue
    assert single_case(np.array([case]), draws)[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n", [19, 40, 100])
def test_a_single_case_keeps_its_level(n):
    rng = np.random.default_rng(n)
    p = np.array(
        [single_case(rng.normal(size=20), rng.normal(size=(n, 20))) for _ in range(1000)]
    ).ravel()
    for level in (0.05, 0.01, 0.001):
        assert (p <= level).mean() <= level * 1.15 + 2e-4


def test_a_single_case_is_no_rarer_than_the_draws_that_lie_as_far():
    draws = np.zeros((100, 1))
    draws[:3] = [[50.0], [-60.0], [55.0]]
    assert single_case(np.array([45.0]), draws)[0] >= 0.03


def test_nothing_is_said_of_a_case_among_draws_that_do_not_vary():
    assert single_case(np.array([1.0, 0.0]), np.zeros((20, 2))).tolist() == [1, 1]


def test_holm_steps_down():
    p = np.array([[0.01, 0.04], [0.03, 0.005]])
    np.testing.assert_allclose(holm(p), [[0.03, 0.06], [0.06, 0.02]])
    assert holm(np.array([0.9, 0.8])).tolist() == [1, 1]


def test_holm_claims_one_in_twenty_families_at_most_and_more_than_bonferroni():
    rng = np.random.default_rng(0)
    p = rng.random((2000, 10))
    assert np.mean([(holm(row) <= 0.05).any() for row in p]) <= 0.06
    some = np.array([0.004, 0.0052, 0.5, 0.9, 0.7, 0.8, 0.6, 0.4, 0.3, 0.2])
    assert (holm(some) <= 0.05).sum() == 2 > (some * 10 <= 0.05).sum()
