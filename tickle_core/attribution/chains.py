"""Chains of real images: shortest paths in the nearest-neighbour graph of a layer's activations.

All start at the same image, the one nearest to the mean of all. An image that the graph does not
connect with it has no chain.
"""

from dataclasses import dataclass

import numpy as np

from tickle_core.geometry import geodesics
from tickle_core.geometry.neighbours import distinct

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

    Distances are Euclidean.

    Parameters
    ----------
    acts
        (n, d), of the anchors.
    wanted
        (m,) numbers of anchors.
    """
    around = acts.astype(np.float64) - acts.mean(0, dtype=np.float64)
    first = int((around**2).sum(1).argmin())
    found, near = distinct(acts, NEIGHBOURS)
    # A copy of an image stands for it: the graph is of those that are none.
    kept = np.flatnonzero(found == np.arange(len(acts)))
    edges = geodesics.graph(near, NEIGHBOURS)
    start = int(np.searchsorted(kept, found[first]))
    stations = []
    reached = np.zeros(len(wanted), bool)
    for place, anchor in enumerate(wanted.tolist()):
        path = geodesics.path(edges, start, int(np.searchsorted(kept, found[anchor])))
        reached[place] = len(path) > 1
        if reached[place]:
            stations.append([*kept[path[:-1]].tolist(), anchor])
    return Chains(reached, stations)


def scattered(chains: Chains, anchors: int, seed: int) -> list[list[int]]:
    """The same ends and as many stations, but any in between."""
    rng = np.random.default_rng(seed)
    return [
        [chain[0], *rng.choice(anchors, len(chain) - 2).tolist(), chain[-1]]
        for chain in chains.stations
    ]
