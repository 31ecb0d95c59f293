"""What all pictures of a family of units say together.

The pictures of one unit are no independent trials: intervals are over units.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import statistics
from tickle_core.visualization import roads

RESAMPLES = 1000


def families(pictures: pd.DataFrame, similarity: np.ndarray, seed: int) -> dict[str, Any]:
    """By family, JSON-ready.

    units, pictures     how many
    above_natural       share of pictures that score higher than the best natural image
    above_noise         the same against the highest of the noise images
    ratio               median over pictures of (score - noise_mean) / (natural_best - noise_mean),
                        over the units whose best natural image is above noise; None without any
    other_road          share of pictures that take another road, None where none can be judged
    other_road_chance   that share among natural images, at most
    similarity          mean cosine between pictures of one unit, None with one picture each
    fires               share of a latent's pictures on which the SAE has it active, else None

    Shares have Wilson intervals that count units, the others 95 % bootstrap intervals over units;
    n is the number of units.

    Parameters
    ----------
    pictures
        As `analysis.Visualization` has them.
    similarity
        (units, copies), in the same order.
    """
    copies = similarity.shape[1]
    alike = pictures.assign(similarity=similarity.ravel())
    found = {}
    for family, table in alike.groupby("family", sort=False):
        reach = table["natural_best"] - table["noise_mean"]
        ratios = ((table["score"] - table["noise_mean"]) / reach)[reach > 0]
        found[family] = {
            "units": len(table) // copies,
            "pictures": len(table),
            "above_natural": _share(table["score"] > table["natural_best"], copies),
            "above_noise": _share(table["score"] > table["noise_max"], copies),
            "ratio": _estimate(ratios, copies, np.median, seed),
            "other_road": _share(table["other_road"].dropna(), copies),
            "other_road_chance": roads.CHANCE,
            "similarity": (
                _estimate(table["similarity"], copies, np.mean, seed) if copies > 1 else None
            ),
            "fires": _share(table["fires"].dropna(), copies),
        }
    return found


def _share(marks: pd.Series, copies: int) -> dict[str, Any] | None:
    """Of pictures that are marked, all copies of a unit one after the other."""
    if marks.empty:
        return None
    units, value = len(marks) // copies, float(marks.astype(bool).mean())
    interval = statistics.proportion_interval(value * units, units)
    return {"value": value, "interval": list(interval), "n": units}


def _estimate(
    values: pd.Series, copies: int, statistic: Callable[..., Any], seed: int
) -> dict[str, Any] | None:
    """A statistic over pictures, and its interval when units are drawn anew."""
    if values.empty:
        return None
    by_unit = values.to_numpy(np.float64).reshape(-1, copies)
    units = len(by_unit)
    rng = np.random.default_rng([seed, 2])
    draws = [statistic(by_unit[rng.integers(0, units, units)]) for _ in range(RESAMPLES)]
    return {
        "value": float(statistic(by_unit)),
        "interval": list(statistics.percentile_interval(draws)),
        "n": units,
    }
