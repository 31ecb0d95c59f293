"""Chains of real images: shortest paths in the nearest-neighbour graph of a layer's activations.

All start at the same image, the one nearest to the mean of all. An image that the graph does not
connect with it has no chain.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

NEIGHBOURS = 10


@dataclass(frozen=True)
class Chains:
    """Chains to some of n anchors.

    Attributes
    ----------
    reached
        (m,) bool, which of the wanted images have one.
    stations
        For each that has, the anchors from the first to the image itself, two at least.
    """

    reached: np.ndarray
    stations: list[list[int]]


def find(acts: np.ndarray, wanted: np.ndarray) -> Chains:
    """Chains to the wanted anchors.

    Distances are Euclidean, of centred activations in float64; cost and memory grow with the
    square of n.

    Parameters
    ----------
    acts
        (n, d), of the anchors.
    wanted
        (m,) numbers of anchors.
    """
    around = acts.astype(np.float64) - acts.mean(0, dtype=np.float64)
    squares = (around**2).sum(1)
    first = int(squares.argmin())
    distances = np.maximum(squares[:, None] + squares - 2 * around @ around.T, 0)
    np.fill_diagonal(distances, np.inf)
    count = min(NEIGHBOURS, len(acts) - 1)
    nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
    rows = np.repeat(np.arange(len(acts)), count)
    columns = nearest.ravel()
    # What was cancelled in the difference of squares is computed again; a copy of an image is
    # some way off, since the graph takes a length of zero for no edge.
    lengths = np.linalg.norm(around[rows] - around[columns], axis=1)
    lengths = np.maximum(lengths, 1e-9 * squares.max() ** 0.5)
    graph = coo_array((lengths, (rows, columns)), shape=distances.shape).tocsr()
    _, before = dijkstra(graph, directed=False, indices=first, return_predecessors=True)
    stations = []
    reached = np.zeros(len(wanted), bool)
    for place, anchor in enumerate(wanted.tolist()):
        chain = [anchor]
        while before[chain[-1]] >= 0:
            chain.append(int(before[chain[-1]]))
        reached[place] = chain[-1] == first and len(chain) > 1
        if reached[place]:
            stations.append(chain[::-1])
    return Chains(reached, stations)


def scattered(chains: Chains, anchors: int, seed: int) -> list[list[int]]:
    """The same ends and as many stations, but any in between."""
    rng = np.random.default_rng(seed)
    return [
        [chain[0], *rng.choice(anchors, len(chain) - 2).tolist(), chain[-1]]
        for chain in chains.stations
    ]
