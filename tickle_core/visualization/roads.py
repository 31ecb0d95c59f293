"""Whether a picture excites a unit the way natural images do: its road through the layers before.

A picture can drive a unit through activations that no natural image causes; it then says little of
what the unit does on natural images (Geirhos et al. 2024, arXiv:2306.04719). At layers before the
unit's, the angle between what the picture and the unit's best natural images excite is held
against the angle between random natural images and the best ones.

Angles are taken at the origin. At the mean of natural images, a random image would be at 90 degrees
to the best ones on the average, and so would be a picture that excites what no image does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tickle_core.visualization.excitation import Pooled

LAYERS = 4
CHANCE = 0.05  # at most, of a random natural image to be marked
RANDOM_IMAGES = 99  # with which that chance is met exactly


@dataclass(frozen=True)
class Roads:
    """How n pictures of one unit, random images and its best images lie to the best images.

    All angles are in degrees, each the mean over the best images.

    Attributes
    ----------
    pictures, null
        By layer before, of every picture (n,), and of every random image (r,).
    best
        By layer before, the mean angle between two of the best images; None where there is one.
    angle, angle_natural
        The mean over layers, of every picture (n,), and of random images; NaN without a layer
        before.
    other
        (n,) bool: whether the picture's mean over layers is so large that a random image has a
        chance of at most `CHANCE` to reach it. None without a layer before, or with too few random
        images to tell.
    """

    pictures: Pooled
    null: Pooled
    best: dict[str, float | None]
    angle: np.ndarray
    angle_natural: float
    other: np.ndarray | None


def layers_before(layers: dict[str, dict[str, Any]], module: str) -> list[str]:
    """Up to `LAYERS` layers, spread evenly over the network's cost before a layer.

    Parameters
    ----------
    layers
        The card's: by module path, with `tail_share` and `clean_cut`.

    Returns
    -------
    list of str
        Clean cuts of different tail shares larger than the layer's own, in order of execution;
        rather blocks than what is inside them, where that leaves the spread about even.
    """
    end = 1 - layers[module]["tail_share"]
    # Where a block and its last part end together, the block.
    paths = sorted(layers, key=lambda path: (path.count("."), path))
    costs: dict[float, str] = {}
    for path in paths:
        cost = 1 - layers[path]["tail_share"]
        if layers[path]["clean_cut"] and cost < end:
            costs.setdefault(cost, path)
    if not costs:
        return []
    step = end / (LAYERS + 1)

    def fitness(cost: float, wanted: float) -> tuple[float, ...]:
        distance = abs(cost - wanted)
        depth = costs[cost].count(".") if distance <= step / 2 else np.inf
        return depth, distance, cost

    chosen = {min(costs, key=partial(fitness, wanted=step * (i + 1))) for i in range(LAYERS)}
    return [costs[cost] for cost in sorted(chosen)]


def compare(pictures: Pooled, best: Pooled, random: Pooled, n: int) -> Roads:
    """Hold the pictures of one unit against its best images and against random ones.

    Parameters
    ----------
    pictures, best, random
        By layer before, what they excite: (n, d), (k, d), (r, d). No random image is one of the
        best.
    n
        How many pictures.
    """
    to_best, null = (
        {path: angles(those[path], best[path]).mean(1) for path in best}
        for those in (pictures, random)
    )
    between = {path: _mean_angle(rows) for path, rows in best.items()}
    if not best:
        return Roads(to_best, null, between, np.full(n, np.nan), np.nan, None)
    angle, of_random = (np.mean(list(each.values()), axis=0) for each in (to_best, null))
    angle_natural = float(of_random.mean()) if len(of_random) else np.nan
    return Roads(to_best, null, between, angle, angle_natural, _beyond(angle, of_random))


def angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angles in degrees between the rows of (n, d) and of (k, d): (n, k); 90 to a zero vector."""
    a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300) for x in (a, b))
    # Kahan's formula, which unlike the arccosine is exact for small angles.
    apart = np.linalg.norm(a[:, None] - b, axis=2)
    along = np.linalg.norm(a[:, None] + b, axis=2)
    return np.degrees(2 * np.arctan2(apart, along))


def rows(roads: Roads, picture: int) -> Iterator[dict[str, Any]]:
    """What is to be told of one picture, layer by layer: layer, angle; natural_low, natural_mean
    and natural_high, the range of random images' angles and their mean; natural_images, how many
    they are; best_mean.
    """
    for path, null in roads.null.items():
        yield {
            "layer": path,
            "angle": float(roads.pictures[path][picture]),
            "natural_low": float(null.min()) if len(null) else None,
            "natural_mean": float(null.mean()) if len(null) else None,
            "natural_high": float(null.max()) if len(null) else None,
            "natural_images": len(null),
            "best_mean": roads.best[path],
        }


def _beyond(values: np.ndarray, null: np.ndarray) -> np.ndarray | None:
    """Which values are so large that the null reaches them with a chance of at most `CHANCE`."""
    if 1 / (1 + len(null)) > CHANCE:
        return None
    # The value itself counts among the null: then the chance holds exactly (Phipson, Smyth 2010).
    return (1 + (null >= values[:, None]).sum(1)) / (1 + len(null)) <= CHANCE


def _mean_angle(rows: np.ndarray) -> float | None:
    if len(rows) < 2:
        return None
    return float(angles(rows, rows)[np.triu_indices(len(rows), 1)].mean())
