"""What is found along one way: whether it stays in the class of its nearer end, and how near the
data.
"""

from dataclasses import dataclass, fields

import numpy as np
from scipy.spatial.distance import cdist

ROUNDING = 1e-4  # activations are float32, and stored in half precision


@dataclass(frozen=True)
class Along:
    """Of a way with T points, both ends among them.

    Each point belongs to the class of its nearer end. Loss is -log p of that class.

    Attributes
    ----------
    losses, kept
        (T,) loss, and whether that class is predicted.
    barrier
        Highest loss, less the higher one of the ends.
    margin
        Lowest difference of that class's logit and the highest other one.
    lost
        Share of the inner points whose class is not predicted.
    detour
        Of the activation along the direction of the first end's class, total variation beyond the
        range, in parts of it: 0 where it only rises or falls.
    away
        Mean distance of inner points to the nearest real activation, the ends and the stations
        aside, in parts of the typical distance of a real one.
    """

    losses: np.ndarray
    kept: np.ndarray
    barrier: float
    margin: float
    lost: float
    detour: float
    away: float


NUMBERS = tuple(field.name for field in fields(Along))[2:]


@dataclass(frozen=True)
class Surroundings:
    """The real activations that a way leads through.

    Attributes
    ----------
    points
        (n, d), pooled.
    typical
        Median distance of one from the nearest other.
    directions
        By class: the mean of those of the class less that of all others, (d,).
    """

    points: np.ndarray
    typical: float
    directions: dict[int, np.ndarray]


def look(
    pooled: np.ndarray,
    logits: np.ndarray,
    classes: np.ndarray,
    real: Surroundings,
    stations: list[int],
) -> Along:
    """Judge one way.

    Parameters
    ----------
    pooled, logits
        (T, d) and (T, classes) along it; T is even, so that no point is in the middle.
    classes
        (2,) of the ends.
    stations
        Real points on it: the ends, and what lies between.
    """
    points = len(logits)
    own = np.repeat(classes, points // 2)
    logits = logits.astype(np.float64)
    chosen = logits[np.arange(points), own]
    highest = logits.max(1)
    losses = highest + np.log(np.exp(logits - highest[:, None]).sum(1)) - chosen
    others = logits.copy()
    others[np.arange(points), own] = -np.inf
    kept = logits.argmax(1) == own
    along = pooled.astype(np.float64) @ real.directions[int(classes[0])]
    variation, span = np.abs(np.diff(along)).sum(), np.ptp(along)
    apart = cdist(pooled[1:-1].astype(np.float64), real.points)
    apart[:, stations] = np.inf
    return Along(
        losses=losses,
        kept=kept,
        barrier=float(losses.max() - losses[[0, -1]].max()),
        margin=float((chosen - others.max(1)).min()),
        lost=float(1 - kept[1:-1].mean()),
        # What is left beyond the range by rounding is none.
        detour=float(max(0, variation / span - 1 - ROUNDING)) if span > 0 else 0.0,
        away=float(apart.min(1).mean() / real.typical),
    )


def surroundings(points: np.ndarray, distances: np.ndarray, predicted: np.ndarray) -> Surroundings:
    """Of points (n, d), their sorted distances from neighbours (n, k) and their classes (n,)."""
    points = points.astype(np.float64)
    total = points.sum(0)
    directions = {}
    for label in np.unique(predicted).tolist():
        own = predicted == label
        mean = points[own].mean(0)
        others = (total - own.sum() * mean) / max(1, (~own).sum())
        directions[label] = mean - others
    return Surroundings(points, float(np.median(distances[:, 0])), directions)
