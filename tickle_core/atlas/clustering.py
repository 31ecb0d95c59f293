"""Clusters of patches, as many as come out alike from other images.

k-means, with k the candidate whose clusters are most stable beyond chance: clusterings of two
halves of the images assign all patches, and are compared by the adjusted Rand index (Ben-Hur et al.
2002 [1]_). A Gaussian of the same covariance has no clusters, yet few large cells of it are cut
alike again and again, so what the same procedure gives there is taken off.

References
----------
.. [1] Ben-Hur, Elisseeff, Guyon (2002). A stability based method for discovering structure in
   clustered data. Pac. Symp. Biocomput. 7.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from tickle_core.geometry import nulls

STARTS = 3  # of which k-means keeps the best


@dataclass(frozen=True)
class Stability:
    """How alike clusterings of halves are, (resamples,) by number of clusters.

    Attributes
    ----------
    observed, flat
        Of the points, and of Gaussian ones.
    """

    observed: dict[int, np.ndarray]
    flat: dict[int, np.ndarray]

    @property
    def best(self) -> int:
        """The number of clusters whose stability exceeds that of Gaussian points most."""
        excess = {k: float(self.observed[k].mean() - self.flat[k].mean()) for k in self.observed}
        return max(excess, key=lambda k: (excess[k], k))


@dataclass(frozen=True)
class Clusters:
    """k clusters of n points.

    Attributes
    ----------
    centres
        (k, d).
    labels
        (n,).
    steady
        (n,) bool, whether more than half of the clusterings of halves put the point where this one
        does, once their clusters are matched.
    """

    centres: np.ndarray
    labels: np.ndarray
    steady: np.ndarray


def fit(points: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """k-means of points (n, d): centres (count, d) and labels (n,)."""
    engine = KMeans(count, n_init=STARTS, random_state=seed).fit(points)
    return engine.cluster_centers_, engine.labels_.astype(np.int64)


def assign(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The nearest centre of each point, (n,)."""
    return (np.square(centres).sum(1) - 2 * points @ centres.T).argmin(1)


def stability(
    points: np.ndarray, images: np.ndarray, counts: list[int], resamples: int, seed: int
) -> Stability:
    """Compare clusterings of random halves of the images.

    Parameters
    ----------
    images
        (n,) the image of each point: all of its points are in the same half.
    """
    rng = np.random.default_rng(seed)
    flat = nulls.matched_gaussian(points, rng).astype(points.dtype)
    found: tuple[dict[int, np.ndarray], ...] = ({}, {})
    for scores, own in zip(found, (points, flat), strict=True):
        for count in counts:
            scores[count] = np.array(
                [
                    adjusted_rand_score(*_halves(own, images, count, [seed, resample]))
                    for resample in range(resamples)
                ]
            )
    return Stability(*found)


def cluster(
    points: np.ndarray, images: np.ndarray, count: int, resamples: int, seed: int
) -> Clusters:
    """Cluster all points, and see which of them stay where they are."""
    centres, labels = fit(points, count, seed)
    agree = np.zeros(len(points))
    for resample in range(resamples):
        for other in _halves(points, images, count, [seed, resample]):
            agree += _matched(other, labels, count) == labels
    return Clusters(centres, labels, agree > resamples)


def _halves(
    points: np.ndarray, images: np.ndarray, count: int, seed: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) by a clustering of one half of the images, and by one of the other."""
    rng = np.random.default_rng(seed)
    halves = rng.permutation(images.max() + 1) % 2
    found = []
    for half in (0, 1):
        chosen = points[halves[images] == half]
        engine = KMeans(count, n_init=1, random_state=int(rng.integers(2**31))).fit(chosen)
        found.append(assign(points, engine.cluster_centers_))
    return found[0], found[1]


def _matched(labels: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """Labels, numbered as the clusters of another clustering that they share most points with."""
    shared = np.zeros((count, count))
    np.add.at(shared, (labels, others), 1)
    rows, columns = linear_sum_assignment(-shared)
    number = np.empty(count, np.int64)
    number[rows] = columns
    return number[labels]
