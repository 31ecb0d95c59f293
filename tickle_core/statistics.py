"""Intervals and nulls that several analyses share.

Needs nothing beyond numpy, so that importing it costs nothing.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.95


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
