"""Coordinates along principal components, with signs that do not depend on the solver."""

import numpy as np


def principal(points: np.ndarray, count: int) -> np.ndarray:
    """The first principal components of centred points (n, d), (n, count).

    Zeros beyond those that there are.
    """
    left, scales, axes = np.linalg.svd(points, full_matrices=False)
    found = left[:, :count] * scales[:count] * np.sign(axes[:count].sum(1) + 1e-300)
    return np.pad(found, ((0, 0), (0, count - found.shape[1])))
