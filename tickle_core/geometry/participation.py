"""The participation ratio (tr C)^2 / tr C^2 of a covariance C, without the bias of few vectors.

It is the number of dimensions where all that vary do so equally, and less where they do not. Put a
sample's covariance in the place of C and it comes out too small: of an isotropic Gaussian in 512
dimensions, 500 vectors give 252. Covariances S_a, S_b of disjoint groups of vectors are independent
and each right on average, so the sums over pairs of them

    sum_{a != b} tr S_a tr S_b / sum_{a != b} tr S_a S_b

are so too (the idea of Chun et al. 2025 [1]_, who leave out what a vector shares with itself).

References
----------
.. [1] Chun, Canatar, Chung, Lee (2025). Estimating dimensionality of neural representations from
   finite samples. arXiv:2509.26560.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tickle_core.geometry import jackknife
from tickle_core.geometry.moments import Moments


def participation(blocks: Sequence[Moments], n: int) -> dict[str, Any]:
    """The ratio as an estimate.

    Parameters
    ----------
    blocks
        Of three groups or more, of two vectors or more each.
    n
        Images.
    """
    covariances = [block.scatter / (block.n - 1) for block in blocks]
    traces = np.array([np.trace(each) for each in covariances])
    # Of products of each with all: what leaving a group out takes off.
    total = np.sum(covariances, axis=0)
    with_total = np.array([(each * total).sum() for each in covariances])
    own = np.array([np.square(each).sum() for each in covariances])
    above = traces.sum() ** 2 - np.square(traces).sum()
    below = np.square(total).sum() - own.sum()
    if not traces.any():
        return {"value": 0.0, "interval": None, "n": n, "why": "nothing varies"}
    if below <= 0:
        return {"value": None, "interval": None, "n": n, "why": f"too few: {n}"}
    without_above = above - 2 * traces * (traces.sum() - traces)
    without_below = below - 2 * (with_total - own)
    if (without_below <= 0).any():
        return {"value": float(above / below), "interval": None, "n": n, "why": f"too few: {n}"}
    return jackknife.estimate(float(above / below), without_above / without_below, n)
