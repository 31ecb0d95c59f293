"""Intervals, tests and nulls that several analyses share.

A number in a metrics file is a dict, an *estimate*: `value`, 95 % `interval` and `n`, which counts
independent things (images, latents, seeds). Where data are too few for an interval that covers,
the interval is None and `why` says so. Its `null`, if it has one, is what `drawn` or another
estimate gives, or a number.
"""

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, stdtr, stdtrit

LEVEL = 0.95
RESAMPLES = 1000  # bootstrap samples behind an interval
RESAMPLES_AT_ONCE = 100
# Fewer rows, or fewer that are not zero, and the interval of a mean would cover too seldom.
LEAST_ROWS = 30
LEAST_ACTIVE = 10
ROUNDING = 1e-12
SWAPS = 10_000
SWAPS_AT_ONCE = 1000


def matched_gaussian_eigenvalues(
    eigenvalues: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw the sample-covariance eigenvalues of a Gaussian whose covariance is known.

    The draw is exact in distribution and its cost does not grow with `n`: (n - 1) S follows a
    Wishart distribution with n - 1 degrees of freedom, of which Bartlett's decomposition [1]_,
    [2]_ gives a triangular root. Where it does not exist (n - 1 < d), the n - 1 rows behind the
    Wishart matrix are drawn.

    Parameters
    ----------
    eigenvalues
        Eigenvalues of the Gaussian's covariance, shape (d,), none negative.
    n
        Size of the sample, at least 2.
    rng
        Source of the draw.

    Returns
    -------
    np.ndarray
        Eigenvalues of the sample covariance (n - 1 in the denominator), shape (d,), descending.

    Raises
    ------
    ValueError
        If n < 2.

    References
    ----------
    .. [1] Bartlett (1933). On the theory of statistical regression. Proc. R. Soc. Edinburgh 53.
    .. [2] Smith, Hocking (1972). Algorithm AS 53: Wishart variate generator. Appl. Stat. 21.
    """
    if n < 2:
        raise ValueError(f"a covariance needs at least 2 draws, not {n}")
    d = len(eigenvalues)
    freedom = n - 1
    if freedom >= d:
        # Only the spectrum counts, so the covariance may be taken as diagonal.
        root = np.tril(rng.standard_normal((d, d)), -1)
        np.fill_diagonal(root, np.sqrt(rng.chisquare(freedom - np.arange(d))))
        root *= np.sqrt(eigenvalues)[:, None]
    else:
        root = rng.standard_normal((freedom, d)) * np.sqrt(eigenvalues)
    drawn = np.linalg.eigvalsh(root @ root.T / freedom)[::-1]
    return np.pad(np.maximum(drawn, 0), (0, d - len(drawn)))


def proportion(successes: int, n: int) -> dict[str, Any]:
    """A proportion as metrics have it: `value`, 95 % Wilson `interval`, `n`."""
    return {"value": successes / n, "interval": list(proportion_interval(successes, n)), "n": n}


def proportion_interval(successes: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The Wilson score interval of a proportion [1]_.

    Parameters
    ----------
    successes, n
        `successes` out of `n` independent trials; a fraction where a trial succeeds in part.
    level
        Confidence level.

    Raises
    ------
    ValueError
        If not 0 <= successes <= n or n is 0.

    References
    ----------
    .. [1] Wilson (1927). Probable inference, the law of succession, and statistical inference.
       J. Am. Stat. Assoc. 22.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} trials are no proportion")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / n
    centre = share + z**2 / (2 * n)
    reach = z * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    scale = 1 + z**2 / n
    # Where nothing or everything succeeded, the bound is exact and rounding must not move it.
    low = 0.0 if successes == 0 else (centre - reach) / scale
    high = 1.0 if successes == n else (centre + reach) / scale
    return low, high


def ratio_intervals(above: np.ndarray, below: np.ndarray, seed: int) -> np.ndarray:
    """95 % intervals of ratios of sums, sum(above) / sum(below), from rows that are independent.

    On each side the wider one of the bootstrap-t interval [1]_ and of Student's. The first follows
    the skew of values that are rare and large, where percentile intervals cover far too seldom;
    the second does not mistake few rows for narrow ones. In simulations with lognormal values of
    which 5 to 100 % are not zero, and 30 to 1,000 rows, the printed ones hold the truth in at
    least 93 % of runs. The standard error is that of the delta method.

    The same seed takes the same rows of any array with as many of them, so that what is compared
    is compared on the same samples. Memory: a few copies of `above`, and a number per resample and
    column.

    Parameters
    ----------
    above
        (n, q).
    below
        (n,); ones make the ratio a mean.

    Returns
    -------
    np.ndarray
        (2, q), low and high. Not a number where there are fewer than LEAST_ROWS rows, or fewer
        than LEAST_ACTIVE that are not zero, or no row differs from the others.

    References
    ----------
    .. [1] Davison, Hinkley (1997). Bootstrap Methods and their Application, section 5.2.
    """
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    n, columns = above.shape
    if n < LEAST_ROWS:
        return np.full((2, columns), np.nan)
    total = below.sum()
    sums = np.stack([above.sum(0), (above**2).sum(0), (above * below[:, None]).sum(0)])
    ratio, error = _ratio_and_error(sums, total, (below**2).sum(), n)
    rng = np.random.default_rng(seed)
    rows = np.concatenate([above, above**2, above * below[:, None]], axis=1)
    draws = []
    for _ in range(RESAMPLES // RESAMPLES_AT_ONCE):
        counts = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES_AT_ONCE).astype(np.float64)
        drawn = (counts @ rows).reshape(-1, 3, columns).transpose(1, 0, 2)
        weights = counts @ np.stack([below, below**2], axis=1)
        found, errors = _ratio_and_error(drawn, weights[:, :1], weights[:, 1:], n)
        with np.errstate(invalid="ignore", divide="ignore"):
            draws.append((found - ratio) / errors)
    # A resample in which nothing varies tells nothing of the spread: as far out as can be.
    studentized = np.nan_to_num(np.concatenate(draws), nan=0.0, posinf=1e12, neginf=-1e12)
    low, high = np.quantile(studentized, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    reach = stdtrit(n - 1, (1 + LEVEL) / 2)
    found = np.stack(
        [ratio - error * np.maximum(high, reach), ratio - error * np.minimum(low, -reach)]
    )
    told = ((above != 0).sum(0) >= LEAST_ACTIVE) & (error > ROUNDING * np.abs(ratio))
    return np.where(told, found, np.nan)


def _ratio_and_error(
    sums: np.ndarray, total: Any, squares: Any, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """A ratio of sums and its standard error, from sums of a, a^2 and a b, of b, and of b^2."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = sums[0] / total
        spread = sums[1] - 2 * ratio * sums[2] + ratio**2 * squares
        return ratio, np.sqrt(np.maximum(spread, 0) * n / (n - 1)) / np.abs(total)


def ratio_estimate(above: np.ndarray, below: np.ndarray, seed: int) -> dict[str, Any]:
    """sum(above) / sum(below) of (n,) values each as an estimate; `ratio_intervals` says how.

    `value` is None where the lower sum is 0.
    """
    n, active = len(above), int(np.count_nonzero(above))
    total = float(np.sum(below, dtype=np.float64))
    if total == 0:
        return {"value": None, "interval": None, "n": n, "why": "nothing to compare with"}
    value = float(np.sum(above, dtype=np.float64)) / total
    low, high = ratio_intervals(np.asarray(above)[:, None], below, seed)[:, 0].tolist()
    if np.isfinite(low):
        return {"value": value, "interval": [low, high], "n": n}
    if n < LEAST_ROWS:
        why = f"too few: {n}"
    else:
        why = f"too few: {active} of {n} are not 0" if active < LEAST_ACTIVE else "all alike"
    return {"value": value, "interval": None, "n": n, "why": why}


def mean_estimate(values: np.ndarray, seed: int) -> dict[str, Any]:
    """The mean of `values` (n,) as an estimate; `ratio_intervals` says how."""
    return ratio_estimate(values, np.ones(len(values)), seed)


def median_estimate(values: np.ndarray) -> dict[str, Any]:
    """The median of `values` (n,) as an estimate, with an interval between two of them.

    Whatever the distribution, as many values lie below its median as heads fall in n throws; ties
    only widen the interval.
    """
    n = len(values)
    low = int(np.searchsorted(bdtr(np.arange(n + 1), n, 0.5), (1 - LEVEL) / 2))
    found = {"value": float(np.median(values)), "interval": None, "n": n}
    if n < LEAST_ACTIVE:
        return found | {"why": f"too few: {n}"}
    ends = np.sort(values)[[low - 1, n - low]].tolist()
    return found | ({"interval": ends} if ends[0] < ends[1] else {"why": "all alike"})


def paired_difference(lost: int, gained: int, n: int) -> dict[str, Any]:
    """(lost - gained) / n as an estimate: the difference of two proportions of the same n cases.

    The interval is Bonett and Price's [1]_: Wald's, once a case is added to either kind. It covers
    where few cases differ, down to none.

    Parameters
    ----------
    lost, gained
        Cases of which the first only, and the second only, succeeded.

    References
    ----------
    .. [1] Bonett, Price (2012). Adjusted Wald confidence interval for a difference of binomial
       proportions based on paired data. J. Educ. Behav. Stat. 37.
    """
    one, two = (lost + 1) / (n + 2), (gained + 1) / (n + 2)
    reach = (
        NormalDist().inv_cdf((1 + LEVEL) / 2) * ((one + two - (one - two) ** 2) / (n + 2)) ** 0.5
    )
    low, high = max(-1.0, one - two - reach), min(1.0, one - two + reach)
    return {"value": (lost - gained) / n, "interval": [low, high], "n": n}


def drawn(draws: ArrayLike) -> dict[str, Any]:
    """What draws of a null came to: mean `value`, `range` from the least to the most, `draws`."""
    draws = np.asarray(draws, np.float64)
    return {
        "value": float(draws.mean()),
        "range": [float(draws.min()), float(draws.max())],
        "draws": len(draws),
    }


def exceedance(observed: float, draws: ArrayLike) -> float:
    """One-sided p-value of `observed` among draws: (1 + as large ones) / (1 + draws)."""
    draws = np.asarray(draws)
    return float((1 + (draws >= observed).sum()) / (1 + len(draws)))


def single_case(observed: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Two-sided p-values of single cases among draws of a null, one column each.

    Student's t of a case against a small sample [1]_, t = (case - mean) / (s sqrt(1 + 1/n)), but
    never less than the share of the draws that lie as far from their mean. It may be as small as
    corrections for many tests need, where the exceedance among n draws stops at 1 / (n + 1); the
    price is that draws should be about normal.

    Parameters
    ----------
    observed
        (..., q).
    draws
        (n, q), independent of each other.

    Returns
    -------
    np.ndarray
        (..., q); 1 where the draws do not vary, as nothing can be said then.

    References
    ----------
    .. [1] Crawford, Howell (1998). Comparing an individual's test score against norms derived
       from small samples. The Clinical Neuropsychologist 12.
    """
    n, mean, spread = len(draws), draws.mean(0), draws.std(0, ddof=1)
    apart = np.abs(np.asarray(observed, np.float64) - mean)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = apart / (spread * (1 + 1 / n) ** 0.5)
    as_far = (np.abs(draws - mean) >= apart[..., None, :]).mean(-2)
    return np.where(spread > 0, np.maximum(2 * stdtr(n - 1, -t), as_far), 1.0)


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values of any shape, adjusted for their number: the step-down procedure of Holm [1]_.

    The chance of even one adjusted p <= alpha where there is nothing is at most alpha, however
    the tests depend on each other.

    References
    ----------
    .. [1] Holm (1979). A simple sequentially rejective multiple test procedure. Scand. J. Stat. 6.
    """
    flat = p_values.ravel()
    order = np.argsort(flat, kind="stable")
    adjusted = np.empty(len(flat))
    steps = np.arange(len(flat), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(flat[order] * steps), 1)
    return adjusted.reshape(p_values.shape)


def ranks(values: ArrayLike) -> np.ndarray:
    """The rank of each of `values` (n,), from 1 on; equal ones share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[place]


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation of `a` and `b`, (n,) each; NaN where either is constant."""
    x, y = (each - each.mean() for each in (ranks(a), ranks(b)))
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else float("nan")


def spearman_estimate(a: ArrayLike, b: ArrayLike) -> dict[str, Any] | None:
    """Spearman's rank correlation of `a` and `b`, (n,) each, as an estimate.

    The interval is Fisher's with the variance of Bonett and Wright [1]_; there is none where all
    ranks agree, or too few rows. None where either is constant.

    References
    ----------
    .. [1] Bonett, Wright (2000). Sample size requirements for estimating Pearson, Kendall and
       Spearman correlations. Psychometrika 65.
    """
    value, n = spearman(a, b), len(np.asarray(a))
    if np.isnan(value):
        return None
    if n < LEAST_ACTIVE:
        return {"value": value, "interval": None, "n": n, "why": f"too few: {n}"}
    if abs(value) > 1 - ROUNDING:
        return {"value": value, "interval": None, "n": n, "why": "all ranks agree"}
    centre = np.arctanh(value)
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * ((1 + value**2 / 2) / (n - 3)) ** 0.5
    low, high = np.tanh([centre - reach, centre + reach]).tolist()
    return {"value": value, "interval": [low, high], "n": n}


def swap_p_values(
    one: np.ndarray, other: np.ndarray, rng: np.random.Generator, draws: int = SWAPS
) -> np.ndarray:
    """Do pairs of columns differ? Two-sided p-values, adjusted for their number.

    If within each row what stands in `one` and in `other` could as well have changed places, for
    all columns together, swapping whole rows changes nothing in distribution, however skewed or
    sparse the values are. The largest |t| of the differences of all columns under random swaps is
    therefore what each |t| is compared with: the chance of even one p <= alpha is then at most
    alpha, however the columns depend on each other (the single-step maxT procedure [1]_).

    Parameters
    ----------
    one, other
        (n, columns) each, rows independent of each other.
    rng, draws
        Source and number of the swaps; the smallest p-value is 1 / (draws + 1).

    Returns
    -------
    np.ndarray
        (columns,). A pair that never differs has p = 1.

    References
    ----------
    .. [1] Westfall, Young (1993). Resampling-Based Multiple Testing. Wiley.
    """
    values = np.asarray(one, np.float64) - other
    norms = np.linalg.norm(values, axis=0)
    # |t| grows with this cosine, and the swaps leave the norm as it is.
    scaled = values / np.where(norms > 0, norms, 1)
    observed = np.abs(scaled.sum(0))
    reached = np.zeros(values.shape[1])
    for start in range(0, draws, SWAPS_AT_ONCE):
        count = min(SWAPS_AT_ONCE, draws - start)
        signs = rng.choice([-1.0, 1.0], (count, len(values)))
        largest = np.abs(signs @ scaled).max(1)
        # Swaps that give the same sums again must count as reaching them, whatever the rounding.
        reached += (largest[:, None] >= observed - 1e-9).sum(0)
    return (1 + reached) / (1 + draws)
