"""What all pictures of a family of units say together.

The pictures of one unit are no independent trials: whatever is said, n counts units.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import bdtr

from tickle_core import statistics
from tickle_core.maximization.families import NULLS, OVER_PATCHES
from tickle_core.visualization import natural, roads

# What units are held against random units in.
AGAINST_RANDOM = (
    "above_natural",
    "above_by_maximum",
    "above_by_mean",
    "above_noise",
    "ratio",
    "natural_high",
)


def families(pictures: pd.DataFrame) -> dict[str, Any]:
    """By family, JSON-ready; all numbers but the first two are estimates.

    units, pictures   how many
    above_natural     share of pictures that score higher than the best natural image
    above_by_maximum, above_by_mean
                      the same of their maximum and mean over patches, for families read at all
    above_noise       share of pictures that score higher than every image of random phases
    ratio             (score - noise_mean) / (natural_best - noise_mean), of units whose best
                      natural image is above noise
    natural_high      where on that scale the 99 % point of natural images is
    other_road        share of pictures that take another road; its null is the share of natural
                      images that do, at most
    similarity        cosine between pictures of one unit (not of random ones); its null is that to
                      other units' pictures
    fires             share of a latent's pictures on which the SAE has it active; its null is that
                      of images of random phases

    The null of the scores is what the family's random units have, whose own intervals are in their
    own entry. Shares have Wilson intervals that count units. The others are medians over units,
    of means over their pictures (`median_estimate`).

    Parameters
    ----------
    pictures
        As `analysis.Visualization` has them.
    """
    found = {
        family: _family(family, rows) for family, rows in pictures.groupby("family", sort=False)
    }
    for family, numbers in found.items():
        random = found.get(NULLS.get(family, ""))
        for name in AGAINST_RANDOM:
            if name in numbers and random:
                numbers[name]["null"] = random[name]["value"]
            elif name in numbers:
                why = "it is the null" if family in NULLS.values() else "there is no random one"
                _without_null(numbers[name], why)
    return found


def median_estimate(values: np.ndarray) -> dict[str, Any]:
    """The median of `values` (n,), at least one, as an estimate.

    The interval is between order statistics, so that the median of whatever is sampled lies in it
    with a probability of at least 95 % [1]_. Below 6 values there is none, and their `range` stands
    instead.

    References
    ----------
    .. [1] Conover (1999). Practical Nonparametric Statistics, section 3.2. Wiley.
    """
    values = np.sort(np.asarray(values, np.float64))
    n = len(values)
    value = float(np.median(values))
    # As many may be cut off on each side as fall short of the median with a chance of 2.5 %.
    cut = int((bdtr(np.arange(n), n, 0.5) <= (1 - statistics.LEVEL) / 2).sum())
    if cut == 0:
        ends = [float(values[0]), float(values[-1])]
        return {"value": value, "interval": None, "range": ends, "n": n, "why": f"too few: {n}"}
    return {"value": value, "interval": [float(values[cut - 1]), float(values[n - cut])], "n": n}


def _family(family: str, table: pd.DataFrame) -> dict[str, Any]:
    score, noise, best = table["score"], table["noise_mean"], table["natural_best"]
    reach = (best - noise).where(best > noise)
    dull = "no natural image is above noise"
    few = f"fewer than {natural.FEWEST} natural images, or none above noise"
    unknown = "no layer before, or too few natural images"
    found = {
        "units": table["unit"].nunique(),
        "pictures": len(table),
        "above_natural": _share(table, score > best),
        "above_noise": _share(table, score > table["noise_max"]),
        "ratio": _median(table, (score - noise) / reach, dull),
        "natural_high": _median(table, (table["natural_high"] - noise) / reach, few),
        "other_road": _share(table, table["other_road"], unknown) | {"null": roads.CHANCE},
    }
    if family not in NULLS.values():
        found["similarity"] = _similarity(table)
    if family in OVER_PATCHES:
        found["above_by_maximum"] = _share(table, table["maximum"] > table["natural_maximum"])
        found["above_by_mean"] = _share(table, table["mean"] > table["natural_mean"])
    if family == "latent":
        on_noise = float(table["noise_fires"].mean())
        found["fires"] = _share(table, table["fires"]) | {"null": on_noise}
    return found


def _similarity(table: pd.DataFrame) -> dict[str, Any]:
    found = _median(table, table["similarity"], "one picture of each unit")
    others = _median(table, table["to_others"], "there is no other unit")
    if others["value"] is None:
        _without_null(found, others["why"])
    else:
        found["null"] = others["value"]
    return found


def _without_null(estimate: dict[str, Any], why: str) -> None:
    """Say of an estimate, in place, why it has no null."""
    reasons = [estimate["why"], why] if "why" in estimate else [why]
    estimate.update(null=None, why="; ".join(reasons))


def _share(table: pd.DataFrame, marks: pd.Series, why: str = "") -> dict[str, Any]:
    """Of pictures that are marked; `why` is said where none can be."""
    shares = _by_unit(table, marks)
    units = len(shares)
    if units == 0:
        return {"value": None, "interval": None, "n": 0, "why": why}
    value = float(shares.mean())
    interval = statistics.proportion_interval(value * units, units)
    return {"value": value, "interval": list(interval), "n": units}


def _median(table: pd.DataFrame, values: pd.Series, why: str) -> dict[str, Any]:
    """Over units, of the means over their pictures; `why` is said where none is defined."""
    means = _by_unit(table, values)
    if means.empty:
        return {"value": None, "interval": None, "n": 0, "why": why}
    return median_estimate(means.to_numpy())


def _by_unit(table: pd.DataFrame, values: pd.Series) -> pd.Series:
    """Means over the pictures of each unit for which they are defined."""
    return values.astype(np.float64).groupby(table["unit"], sort=False).mean().dropna()
