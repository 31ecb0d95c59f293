"""The local dimension of points beside that of two kinds of other points, with intervals."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tickle_core import statistics
from tickle_core.geometry import intrinsic, jackknife, nulls
from tickle_core.geometry.clouds import Cloud
from tickle_core.geometry.neighbours import Neighbours, nearest

if TYPE_CHECKING:
    from tickle_core.params.dimension import Dimension

NAMES = ("two_nn", "mle", "local_pca")
CENTRES = 200  # points whose neighbourhoods local PCA looks at


def measure(
    points: np.ndarray, neighbours: Neighbours, share: float, scales: list[int]
) -> np.ndarray:
    """The estimates of `NAMES`, and those of `intrinsic.gride` at each of the scales."""
    distances = neighbours.distances
    centres = np.unique(np.linspace(0, len(points) - 1, CENTRES).astype(int))
    return np.array(
        [
            intrinsic.two_nn(distances),
            intrinsic.mle(distances),
            intrinsic.local_pca(points, neighbours, centres, share),
            *(intrinsic.gride(distances, scale) for scale in scales),
        ]
    )


def estimates(
    points: np.ndarray, neighbours: Neighbours, groups: np.ndarray, share: float, scales: list[int]
) -> list[dict[str, Any]]:
    """The same as estimates, over groups (n,) of the points, numbered from 0."""
    without = []
    for group in np.unique(groups):
        kept = groups != group
        without.append(measure(points[kept], neighbours.within(kept), share, scales))
    values = measure(points, neighbours, share, scales).tolist()
    return [
        jackknife.estimate(value, each, len(points))
        for value, each in zip(values, np.transpose(without), strict=True)
    ]


def local_dimensions(
    cloud: Cloud, null: Cloud, blocks: np.ndarray, settings: "Dimension", rng: np.random.Generator
) -> tuple[dict[str, Any], pd.DataFrame]:
    """What nearest neighbours say of a layer's points.

    Parameters
    ----------
    null
        Of the same layer of a network that learnt nothing.
    blocks
        (N,) the group of each image.

    Returns
    -------
    tuple
        By name of `NAMES` an estimate, and the table of scales: `dimension.Analysed` has both.
    """
    known = cloud.neighbours.indices.shape[1]
    scales = intrinsic.scales(known // 2)  # without a group of images there are fewer
    share = settings.variance
    groups = blocks[cloud.images]
    found = estimates(cloud.points, cloud.neighbours, groups, share, scales)
    nothing = estimates(null.points, null.neighbours, blocks[null.images], share, scales)
    half = groups < settings.blocks // 2
    halved = estimates(
        cloud.points[half], cloud.neighbours.within(half), groups[half], share, scales
    )
    draws, radii = [], []
    for _ in range(settings.gaussians):
        points = nulls.matched_gaussian(cloud.points, rng)
        near = nearest(points, known)
        draws.append(measure(points, near, share, scales))
        radii.append(_radii(near, scales))
    gaussian = [statistics.drawn(each) for each in np.transpose(draws)]
    metrics = {
        name: found[place]
        | {
            "null": nothing[place],
            "gaussian": gaussian[place],
            "half": halved[place],
            "at_least": found[place]["value"] > intrinsic.AT_LEAST,
        }
        for place, name in enumerate(NAMES)
    }
    curves = {
        "trained": (found, _radii(cloud.neighbours, scales)),
        "untrained": (nothing, _radii(null.neighbours, scales)),
        "gaussian": (gaussian, np.mean(radii, axis=0)),
    }
    rows = [
        (of, scale, radius, number["value"], *(_ends(number) or (np.nan, np.nan)))
        for of, (numbers, across) in curves.items()
        for scale, radius, number in zip(scales, across, numbers[len(NAMES) :], strict=True)
    ]
    columns = ["of", "neighbours", "radius", "value", "low", "high"]
    return metrics, pd.DataFrame(rows, columns=columns)


def _radii(neighbours: Neighbours, scales: list[int]) -> list[float]:
    """Mean distance of the farther neighbour at each scale."""
    return [float(neighbours.distances[:, 2 * scale - 1].mean()) for scale in scales]


def _ends(number: dict[str, Any]) -> list[float] | None:
    return number["range"] if "range" in number else number["interval"]
