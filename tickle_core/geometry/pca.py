"""PCA intrinsic dimension: how many principal components hold a given share of the variance.

k = min{m : sum_{i<=m} lambda_i / sum_i lambda_i >= share}, with lambda_i the eigenvalues of the
covariance; given as the point between whole numbers at which the cumulative share, drawn as a line
from (0, 0), reaches it, of which k is what it rounds up to.

What a sample shows is too small: of the 512 equal directions of a Gaussian (487 at a share of
0.95), 500 vectors show 309 and 1000 show 396. So the dimension is read from the share of the
variance corrected with held-out vectors, and its interval reaches from what the sample shows to
what held-out vectors need, each with its error (`captured`). The dimension depends on the
covariance alone, so a Gaussian of the same covariance is no null: it says what sampling does.

Cost: a few products of d x d matrices and an eigendecomposition (9 ms at d = 128, 0.06 s at 512,
3 s at 2048, on one core) per block, and blocks * d**2 * 8 bytes of memory (20 blocks: 42 MB at
d = 512, 0.7 GB at d = 2048, 2.7 GB at d = 4096). Tokens stream through and are never held.
"""

from typing import Any

import numpy as np

from tickle_core.geometry.captured import Captured
from tickle_core.statistics import drawn, matched_gaussian_eigenvalues


def fractional_dimension(shares: np.ndarray, variance: float) -> float:
    """Where cumulative shares (d,), drawn as a line from (0, 0), reach `variance`.

    Parameters
    ----------
    shares
        Of the variance in the first 1, 2, ... components, none smaller than the one before.
    variance
        The share, between 0 and 1 (both excluded).

    Returns
    -------
    float
        0 for constant data, which vary in no direction.
    """
    if not shares.any():
        return 0.0
    return float(np.interp(variance, np.append(0, shares), np.arange(len(shares) + 1)))


def cumulative_shares(eigenvalues: np.ndarray) -> np.ndarray:
    """Share of the variance in the first 1, 2, ... components; zeros if nothing varies."""
    total = eigenvalues.sum()
    return np.cumsum(eigenvalues) / total if total > 0 else np.zeros_like(eigenvalues)


def estimate(found: Captured, variance: float, n: int) -> dict[str, Any]:
    """The dimension as an estimate: corrected `value`, `interval`, `n`, and beside them `raw`.

    Simulated with spectra from flat to steep, Gaussian, heavy-tailed and clustered vectors, and
    tokens that share an image, the interval holds the truth in 95 % of runs or more with 10 to
    2,000 images: often in all of them, since its ends bound the truth on two sides and the bias is
    most of what lies between. The value is None where held-out images need components that the
    others do not tell: then only the interval is known.
    """
    least = fractional_dimension(np.maximum.accumulate(found.most), variance)
    most = fractional_dimension(np.minimum.accumulate(found.least[::-1])[::-1], variance)
    raw = fractional_dimension(found.shown, variance)
    result = {"interval": [least, most], "n": n, "raw": raw}
    if found.shown.any() and fractional_dimension(found.held_out, variance) > found.rank:
        why = f"{n} images tell only that it lies between {least:.0f} and {most:.0f}"
        return {"value": None, **result, "why": why}
    return {"value": fractional_dimension(found.corrected, variance), **result}


def sampling_bias(
    eigenvalues: np.ndarray, n: int, variance: float, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """What n independent vectors of a Gaussian of this covariance show, minus its dimension."""
    truth = fractional_dimension(cumulative_shares(eigenvalues), variance)
    samples = (matched_gaussian_eigenvalues(eigenvalues, n, rng) for _ in range(draws))
    shown = [fractional_dimension(cumulative_shares(each), variance) for each in samples]
    return drawn(np.array(shown) - truth)
