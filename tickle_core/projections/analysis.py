"""Maps of one layer's images onto a plane, and how far each can be believed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tickle_core import statistics
from tickle_core.projections.methods import METHODS
from tickle_core.projections.preservation import preservation

if TYPE_CHECKING:
    from tickle_core.params.projections import Projections

NUMBERS = ("trustworthiness", "continuity")
RIVAL = "pca"


@dataclass(frozen=True)
class Analysed:
    """What the maps of a layer came to.

    Attributes
    ----------
    metrics
        JSON-ready: by method `trustworthiness` and `continuity`, means over images, their null
        those of random planes; `beyond`, by how much the first exceeds that of principal
        components, paired by image.
    maps
        One row per image and method: `point`, `method`, `x`, `y`.
    """

    metrics: dict[str, Any]
    maps: pd.DataFrame


def analyse(points: np.ndarray, settings: "Projections", seed: int) -> Analysed:
    """Map points (n, d) by every method.

    Intervals are over images, each with its neighbours as they are.
    """
    around = points.astype(np.float64) - points.mean(0, dtype=np.float64)
    rng = np.random.default_rng(seed)
    # Sums in several threads come in any order, and t-SNE and UMAP would tell.
    with threadpool_limits(limits=1):
        maps = {name: make(around, seed) for name, make in METHODS.items()}
        planes = {
            f"random {draw}": around @ np.linalg.qr(rng.standard_normal((around.shape[1], 2)))[0]
            for draw in range(settings.draws)
        }
        # Of few images, more than a half would be neighbours.
        neighbours = min(settings.neighbours, (len(around) - 1) // 2)
        found = preservation(around, maps | planes, neighbours)
    metrics: dict[str, Any] = {}
    for name in maps:
        metrics[name] = {
            number: statistics.mean_estimate(found[name][number], seed)
            | {"null": statistics.drawn([found[plane][number].mean() for plane in planes])}
            for number in NUMBERS
        }
        if name != RIVAL:
            gain = found[name]["trustworthiness"] - found[RIVAL]["trustworthiness"]
            metrics[name]["beyond"] = statistics.mean_estimate(gain, seed)
    tables = [
        pd.DataFrame({"point": np.arange(len(flat)), "method": name, "x": x, "y": y})
        for name, flat in maps.items()
        for x, y in [flat.astype(np.float32).T]
    ]
    return Analysed(metrics, pd.concat(tables, ignore_index=True))
