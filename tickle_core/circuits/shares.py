"""Shares of the way: ratios of sums over pairs of images, with intervals over the images."""

from typing import Any

import numpy as np

from tickle_core import statistics
from tickle_core.circuits.pairs import Images, Pairs


def estimates(
    images: Images, pairs: Pairs, above: np.ndarray, below: np.ndarray, seed: int
) -> list[dict[str, Any]]:
    """sum(above) / sum(below) over pairs as estimates, for other images of the same classes.

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
        (pairs, q) and (pairs,).

    Returns
    -------
    list of dict
        q estimates; `n` counts images. The interval is None, and `why` says so, where there are
        too few images, or too few of which a pair is neither 0 nor all of the way.

    References
    ----------
    .. [1] Aronow, Samii, Assenova (2015). Cluster-robust variance estimation for dyadic data.
       Political Analysis 23.
    """
    involved = np.unique([pairs.donor, pairs.target])
    n, total = len(involved), below.sum()
    if total == 0:
        nothing = {"value": None, "interval": None, "n": n, "why": "nothing to compare with"}
        return [dict(nothing) for _ in range(above.shape[1])]
    ends = [np.searchsorted(involved, each) for each in (pairs.donor, pairs.target)]

    def over_pairs(values: np.ndarray) -> np.ndarray:
        sums = np.zeros((n, values.shape[1]))
        for image in ends:
            np.add.at(sums, image, values)
        return sums

    ratio = above.sum(0) / total
    residuals = over_pairs(above - below[:, None] * ratio)
    for member in np.unique(images.members[involved]):
        same = images.members[involved] == member
        count = same.sum()
        own = residuals[same] - residuals[same].mean(0)
        residuals[same] = own * np.sqrt(count / max(1, count - 1))
    # Either image of a pair has half of the way, so that the rows' ratio is that of the pairs.
    ways = over_pairs(below[:, None])[:, 0] / 2
    rows = residuals + ways[:, None] * ratio
    # Of how many images a pair is neither 0 nor 1: a few that differ are no sample of those that do.
    differ = np.minimum(*((over_pairs(above != each) > 0).sum(0) for each in (0, below[:, None])))
    found = []
    for value, some, low, high in zip(
        ratio, differ, *statistics.ratio_intervals(rows, ways, seed), strict=True
    ):
        estimate = {"value": float(value), "interval": None, "n": n}
        if n < statistics.LEAST_ROWS:
            estimate["why"] = f"too few: {n} images"
        elif some == 0 or np.isnan(low):
            estimate["why"] = "all alike"
        elif some < statistics.LEAST_ACTIVE:
            estimate["why"] = f"too few: {some} of {n} images differ from the others"
        else:
            estimate["interval"] = [float(low), float(high)]
        found.append(estimate)
    return found
