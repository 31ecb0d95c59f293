"""Estimates of the dimension that points fill locally, from distances to nearest neighbours.

two_nn       censored maximum likelihood of the ratio of the second to the first distance
             (Facco et al. 2017 [1]_); 10 % of the ratios, the largest, are known only as such
mle          k neighbours (Levina, Bickel 2004 [2]_): per point the inverse is
             sum_{j<k} log(r_k / r_j) / (k - 1); these are averaged, then inverted (MacKay and
             Ghahramani 2005 [3]_). With k - 2 in the place of k - 1 all would be (k - 2) / (k - 1)
             times as large: numbers of Pope et al. (2021) are.
gride        maximum likelihood of r_2n / r_n, n = 1, 2, 4, ... (Denti et al. 2022 [4]_): the
             dimension at ever larger scales. Noise fills all dimensions at the smallest.
local_pca    components that hold a share of the variance of each point's neighbourhood, averaged

All assume that density hardly changes within a neighbourhood. Beyond some 20 dimensions no sample
is dense enough, and they come out too small (of a Gaussian in 50 dimensions, 2,000 points give 32,
28 and 31): read "at least".

References
----------
.. [1] Facco, d'Errico, Rodriguez, Laio (2017). Estimating the intrinsic dimension of datasets by a
   minimal neighborhood information. Scientific Reports 7.
.. [2] Levina, Bickel (2004). Maximum likelihood estimation of intrinsic dimension. NIPS 17.
.. [3] MacKay, Ghahramani (2005). Comments on "Maximum likelihood estimation of intrinsic
   dimension".
.. [4] Denti, Doimo, Laio, Mira (2022). The generalized ratios intrinsic dimension estimator.
   Scientific Reports 12.
"""

import numpy as np
from scipy.optimize import brentq

from tickle_core.geometry.neighbours import Neighbours
from tickle_core.geometry.pca import cumulative_shares, fractional_dimension

DISCARDED = 0.1  # of the ratios, the largest: they come from the thinnest places
MLE_NEIGHBOURS = 20
PCA_NEIGHBOURS = 50
AT_LEAST = 20.0  # beyond it an estimate is a lower bound
BRACKET = (1e-3, 1e4)
BLOCK_BYTES = 64 * 2**20


def two_nn(distances: np.ndarray) -> float:
    """Dimension from the first two columns of sorted distances (n, k), k >= 2, all positive."""
    ratios = np.sort(np.log(distances[:, 1] / distances[:, 0]))
    n = len(ratios)
    kept = int(n * (1 - DISCARDED))
    total = ratios[:kept].sum() + (n - kept) * ratios[kept - 1]
    return float((kept - 1) / total)


def mle(distances: np.ndarray, neighbours: int = MLE_NEIGHBOURS) -> float:
    """Dimension from the first `neighbours` columns, or all where there are fewer."""
    near = distances[:, :neighbours]
    inverses = np.log(near[:, -1:] / near[:, :-1]).mean(1)
    return float(1 / inverses.mean())


def gride(distances: np.ndarray, nearer: int) -> float:
    """Dimension from the columns `nearer` and 2 * `nearer`, counted from 1; NaN without them."""
    if 2 * nearer > distances.shape[1]:
        return float("nan")
    logs = np.log(distances[:, 2 * nearer - 1] / distances[:, nearer - 1])
    free = len(logs) - 1  # in place of n: the inverse of a sum is too large on average

    def slope(dimension: float) -> float:
        """Of the log-likelihood; with n2 = 2 n1 = 2 `nearer` it falls from + to -."""
        with np.errstate(invalid="ignore"):
            powers = logs / -np.expm1(-dimension * logs)  # mu^d log(mu) / (mu^d - 1)
        powers = np.where(logs > 0, powers, 1 / dimension)
        return float(free / dimension + (nearer - 1) * powers.sum() - (2 * nearer - 1) * logs.sum())

    if slope(BRACKET[1]) > 0:  # nothing but ties, as on a grid
        return float("nan")
    return float(brentq(slope, *BRACKET, xtol=1e-10, rtol=1e-12))


def scales(columns: int) -> list[int]:
    """The n = 1, 2, 4, ... whose double is no more than the number of columns."""
    return [2**power for power in range(32) if 2 ** (power + 1) <= columns]


def local_pca(
    points: np.ndarray, neighbours: Neighbours, centres: np.ndarray, share: float
) -> float:
    """Mean over centres of the components that hold `share` of their neighbourhood's variance.

    A neighbourhood is the centre and its `PCA_NEIGHBOURS` nearest, or all that are known. Their
    number bounds what can be found.

    Parameters
    ----------
    points
        (n, d).
    centres
        (c,) numbers of points.
    """
    near = np.column_stack([centres, neighbours.indices[centres, :PCA_NEIGHBOURS]])
    found = np.empty(len(centres))
    at_once = max(1, BLOCK_BYTES // (8 * near.shape[1] * points.shape[1]))
    for start in range(0, len(centres), at_once):
        place = slice(start, start + at_once)
        patches = points[near[place]].astype(np.float64)
        patches -= patches.mean(1, keepdims=True)
        spectra = np.linalg.eigvalsh(patches @ patches.transpose(0, 2, 1))[:, ::-1]
        found[place] = [
            fractional_dimension(cumulative_shares(np.maximum(spectrum, 0)), share)
            for spectrum in spectra
        ]
    return float(found.mean())
