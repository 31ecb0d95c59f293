"""Shares of the way: ratios of sums over pairs of images, with intervals over the images."""

from typing import Any

import numpy as np

from tickle_core import statistics
from tickle_core.circuits.pairing import ImagesByClass, Pairs


def estimate(
    images: ImagesByClass, pairs: Pairs, above: np.ndarray, below: np.ndarray, seed: int
) -> dict[str, Any]:
    """sum(above) / sum(below) over pairs as an estimate, for other images of the same classes.

    One image is in many pairs, as donor and as target. What the sum of the pairs' residuals
    `above - ratio * below` varies by is, to first order, the sum over images of what all pairs of
    an image have in common [1]_. So an image's row holds the residuals of all its pairs, less the
    mean of its class, since the classes are given; that counts what is a pair's own twice, which
    errs on the safe side. `statistics.ratio_intervals` takes it from there. In simulations with 3
    images or more of each class and 30 in all, the intervals hold the truth in 93 % of runs also
    where images' effects are as skewed as a lognormal is.

    Parameters
    ----------
    above, below
        (pairs,).

    Returns
    -------
    dict
        `n` counts images. The interval is None, and `why` says so, where there are too few images,
        or too few of which a pair is neither 0 nor all of the way.

    References
    ----------
    .. [1] Aronow, Samii, Assenova (2015). Cluster-robust variance estimation for dyadic data.
       Political Analysis 23.
    """
    involved = np.unique([pairs.donor, pairs.target])
    n, total = len(involved), below.sum()
    found: dict[str, Any] = {"value": None, "interval": None, "n": n}
    if total == 0:
        return found | {"why": "nothing to compare with"}
    ends = [np.searchsorted(involved, each) for each in (pairs.donor, pairs.target)]

    def over_pairs(values: np.ndarray) -> np.ndarray:
        return np.sum([np.bincount(each, values, n) for each in ends], axis=0)

    ratio = above.sum() / total
    residuals = over_pairs(above - below * ratio)
    members = images.members[involved]
    for member in np.unique(members):
        same = members == member
        count = same.sum()
        around = residuals[same] - residuals[same].mean()
        residuals[same] = around * np.sqrt(count / max(1, count - 1))
    # Either image of a pair has half of the way, so that the rows' ratio is that of the pairs.
    ways = over_pairs(below) / 2
    rows = residuals + ways * ratio
    # Of how many images a pair is neither 0 nor 1: a few that differ are no sample of more.
    differ = min(np.count_nonzero(over_pairs(above != each)) for each in (0, below))
    low, high = statistics.ratio_intervals(rows[:, None], ways, seed)[:, 0].tolist()
    found["value"] = float(ratio)
    if n < statistics.LEAST_ROWS:
        return found | {"why": f"too few: {n} images"}
    if differ == 0 or np.isnan(low):
        return found | {"why": "all alike"}
    if differ < statistics.LEAST_ACTIVE:
        return found | {"why": f"too few: {differ} of {n} images differ from the others"}
    return found | {"interval": [low, high]}
