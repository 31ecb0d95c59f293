"""Intervals and nulls that several analyses share.

Needs nothing beyond numpy, so that importing it costs nothing.
"""

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.95
RESAMPLES = 1000  # bootstrap samples behind an interval
SIGN_FLIPS = 10_000
FLIPS_AT_ONCE = 1000


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


def resample_counts(groups: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of `groups` is taken when as many are drawn with replacement, (groups,)."""
    return rng.multinomial(groups, np.full(groups, 1 / groups))


def percentile_interval(draws: ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """The central `level` share of `draws`."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def basic_interval(estimate: float, draws: ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """The basic bootstrap interval: percentiles of the bootstrap error, taken off the estimate.

    What resampling adds to the estimate, sampling is taken to have added to the truth. Unlike the
    percentile interval it therefore corrects a bias, where that one would count it twice [1]_.

    References
    ----------
    .. [1] Davison, Hinkley (1997). Bootstrap Methods and their Application, section 5.2.
    """
    low, high = percentile_interval(draws, level)
    return 2 * estimate - high, 2 * estimate - low


def proportion(successes: int, n: int) -> dict[str, Any]:
    """A proportion as metrics have it: `value`, 95 % Wilson `interval`, `n`."""
    return {"value": successes / n, "interval": list(proportion_interval(successes, n)), "n": n}


def proportion_interval(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The Wilson score interval of a proportion [1]_.

    Parameters
    ----------
    successes, n
        `successes` out of `n` independent trials.
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


def resampled_means(values: np.ndarray, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Means of bootstrap samples of the rows of `values` (n, ...): (resamples, ...).

    The same seed takes the same rows of any array with as many of them, so that what is compared
    is compared on the same samples. Memory: the result, and one sample's counts.
    """
    n = len(values)
    rng = np.random.default_rng(seed)
    rows = np.asarray(values, np.float64).reshape(n, -1)
    draws = np.stack([resample_counts(n, rng) @ rows / n for _ in range(resamples)])
    return draws.reshape(resamples, *values.shape[1:])


def mean_estimate(values: np.ndarray, seed: int) -> dict[str, Any]:
    """The mean of `values` (n,) as metrics have it: 95 % percentile bootstrap `interval`, `n`."""
    interval = percentile_interval(resampled_means(values, seed))
    return {"value": float(np.mean(values)), "interval": list(interval), "n": len(values)}


def ranks(values: ArrayLike) -> np.ndarray:
    """The rank of each of `values` (n,), from 1 on; equal ones share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[place]


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation of `a` and `b`, (n,) each; NaN where either is constant."""
    x, y = (each - each.mean() for each in (ranks(a), ranks(b)))
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else float("nan")


def sign_flip_p_values(
    values: np.ndarray, rng: np.random.Generator, draws: int = SIGN_FLIPS
) -> np.ndarray:
    """Are the means of these columns zero? Two-sided p-values, adjusted for their number.

    If all columns are jointly symmetric about zero, flipping the signs of whole rows changes
    nothing in distribution. The largest |t| of all columns under random flips is therefore what
    each |t| is compared with: the chance of even one p <= alpha is then at most alpha, however
    the columns depend on each other (the single-step maxT procedure [1]_).

    Parameters
    ----------
    values
        (n, columns), rows independent of each other.
    rng, draws
        Source and number of the flips; the smallest p-value is 1 / (draws + 1).

    Returns
    -------
    np.ndarray
        (columns,). A column of zeros has p = 1.

    References
    ----------
    .. [1] Westfall, Young (1993). Resampling-Based Multiple Testing. Wiley.
    """
    norms = np.linalg.norm(values, axis=0)
    # |t| grows with this cosine, and the flips leave the norm as it is.
    scaled = values / np.where(norms > 0, norms, 1)
    observed = np.abs(scaled.sum(0))
    reached = np.zeros(values.shape[1])
    for start in range(0, draws, FLIPS_AT_ONCE):
        count = min(FLIPS_AT_ONCE, draws - start)
        signs = rng.choice([-1.0, 1.0], (count, len(values)))
        largest = np.abs(signs @ scaled).max(1)
        # A flip that gives the same sums again must count as reaching them, whatever the rounding.
        reached += (largest[:, None] >= observed - 1e-9).sum(0)
    return (1 + reached) / (1 + draws)
