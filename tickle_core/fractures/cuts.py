"""The best cut of points into two parts, and how it compares with cuts of the parts.

Conductance of a cut of the k-nearest-neighbour graph: edges that cross it, in parts of the edges'
ends on the side that has fewer. The best cut is the lowest among those that split the points in
their order along the second eigenvector of the graph's normalised Laplacian (Shi, Malik 2000 [1]_):
at most the square root of twice the lowest of all there are (Cheeger).

References
----------
.. [1] Shi, Malik (2000). Normalized cuts and image segmentation. IEEE Trans. Pattern Anal. 22.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from tickle_core.geometry.neighbours import nearest

SMALLEST = 0.1  # share of the points on either side: fewer are outliers, no part


@dataclass(frozen=True)
class Cut:
    """A cut of n points.

    Attributes
    ----------
    conductance
        0 where nothing crosses, about one half where neighbours lie on either side alike.
    crossing
        Edges that it cuts.
    side
        (n,) bool.
    """

    conductance: float
    crossing: int
    side: np.ndarray


def best_cut(edges: np.ndarray) -> Cut:
    """Of an undirected graph (n, n) of zeros and ones.

    Time grows with n**3 and memory with n**2: n is to be some hundred.
    """
    n = len(edges)
    degrees = edges.sum(1)
    scale = 1 / np.sqrt(np.maximum(degrees, 1))
    laplacian = np.eye(n) - scale[:, None] * edges * scale
    _, vectors = eigh(laplacian, subset_by_index=[1, 1])
    order = np.argsort(vectors[:, 0] * scale, kind="stable")
    volumes = np.cumsum(degrees[order])
    inside = np.cumsum(2 * np.tril(edges[np.ix_(order, order)], -1).sum(1))
    crossing = volumes - inside
    conductances = crossing / np.maximum(np.minimum(volumes, volumes[-1] - volumes), 1)
    least = max(1, int(np.ceil(SMALLEST * n)))
    place = least - 1 + int(np.argmin(conductances[least - 1 : n - least]))
    side = np.zeros(n, bool)
    side[order[: place + 1]] = True
    return Cut(float(conductances[place]), int(crossing[place]), side)


def graph(points: np.ndarray, neighbours: int) -> np.ndarray:
    """Points (n, d) joined with their nearest neighbours, (n, n) of zeros and ones."""
    near = nearest(points, neighbours).indices
    edges = np.zeros((len(points), len(points)))
    edges[np.arange(len(points))[:, None], near] = 1
    return np.maximum(edges, edges.T)


def narrowness(edges: np.ndarray, cut: Cut) -> float:
    """Edges that the cut takes, in parts of what it takes to cut either part in two again.

    A curve is as thin everywhere: 2 where it is closed, as that takes two places, 1 where it has
    ends. Between two parts that hang together in themselves it is far below 1.
    """
    parts = [best_cut(edges[np.ix_(side, side)]).crossing for side in (cut.side, ~cut.side)]
    return cut.crossing / max(1, min(parts))
