"""Points with nothing to find in them: flat and without a gap, as many as were observed."""

import numpy as np

from tickle_core.geometry.moments import covariance_eigenvalues, row_moments


def matched_gaussian(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A Gaussian sample (n, r) of the covariance of points (n, d).

    In coordinates along its axes, of which there are r = min(n - 1, d): distances do not ask for
    more.
    """
    spread = np.sqrt(spectrum(points))
    return rng.standard_normal((len(points), len(spread))) * spread


def spectrum(points: np.ndarray) -> np.ndarray:
    """Eigenvalues of the covariance of points (n, d), those that n points can have, descending."""
    n, d = points.shape
    if n > d:
        return covariance_eigenvalues(row_moments(points))
    around = points - points.mean(0, dtype=np.float64)
    found = np.linalg.eigvalsh(around @ around.T)[::-1] / (n - 1)
    return np.maximum(found[: n - 1], 0)
