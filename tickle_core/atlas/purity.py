"""How far clusters agree with classes.

Purity is the share of points whose class is the most frequent one of their cluster. Counted on the
points that decide which class that is, it is too high, the more clusters there are; so classes are
named on one half of the images and counted on the other, in turn. Without clusters it is the share
of the most frequent class, and with classes shuffled between images it is what many clusters make
of chance.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score

from tickle_core import statistics


@dataclass(frozen=True)
class Labelled:
    """Clustered points of images that have classes.

    Attributes
    ----------
    clusters
        (n,) of each point.
    images
        (n,) of each point, ascending.
    classes
        Of each image, (images.max() + 1,).
    """

    clusters: np.ndarray
    images: np.ndarray
    classes: np.ndarray


def raw(points: Labelled) -> float:
    """(1/n) sum over clusters of the points of its most frequent class."""
    return float(_counts(points, np.ones(len(points.clusters), bool)).max(1).sum()) / len(
        points.clusters
    )


def held_out(points: Labelled, seed: int) -> np.ndarray:
    """Of each image, the share of its points whose class other images' points name, (images,)."""
    halves = np.random.default_rng(seed).permutation(len(points.classes)) % 2
    right = np.zeros(len(points.clusters), bool)
    for half in (0, 1):
        judged = halves[points.images] == half
        counts = _counts(points, ~judged)
        # A cluster of no points on the naming side names the class that is most frequent there.
        named = np.where(counts.any(1), counts.argmax(1), counts.sum(0).argmax())
        right[judged] = named[points.clusters[judged]] == points.classes[points.images[judged]]
    there = np.unique(points.images)
    return np.array([right[points.images == image].mean() for image in there])


def agreement(points: Labelled) -> float:
    """Adjusted mutual information of clusters and classes: 0 by chance, 1 where they are one."""
    return float(adjusted_mutual_info_score(points.classes[points.images], points.clusters))


def measure(points: Labelled, draws: int, seed: int) -> dict[str, Any]:
    """All of it, JSON-ready.

    Returns
    -------
    dict
        `purity`, held out, its null that with classes shuffled between images; `raw`, counted on
        the points that name; `majority`, the share of the most frequent class; `ami`.
    """
    rng = np.random.default_rng(seed)
    n = len(np.unique(points.images))
    shuffled = [
        Labelled(points.clusters, points.images, rng.permutation(points.classes))
        for _ in range(draws)
    ]
    why = "images share clusters: an interval would have to cluster anew"
    counts = np.bincount(points.classes[points.images])
    return {
        "purity": statistics.mean_estimate(held_out(points, seed), seed)
        | {"null": statistics.drawn([held_out(each, seed).mean() for each in shuffled])},
        "raw": {"value": raw(points), "interval": None, "n": n, "why": why}
        | {"null": statistics.drawn([raw(each) for each in shuffled])},
        "majority": {
            "value": float(counts.max() / counts.sum()),
            "interval": None,
            "n": n,
            "why": "counted, not estimated",
        },
        "ami": {"value": agreement(points), "interval": None, "n": n, "why": why}
        | {"null": statistics.drawn([agreement(each) for each in shuffled])},
    }


def _counts(points: Labelled, chosen: np.ndarray) -> np.ndarray:
    """(clusters, classes) how many of the chosen points are in both."""
    counts = np.zeros((points.clusters.max() + 1, points.classes.max() + 1))
    classes = points.classes[points.images[chosen]]
    np.add.at(counts, (points.clusters[chosen], classes), 1)
    return counts
