"""Intervals of numbers that a sample gives as a whole, by leaving out groups of images in turn.

A nearest neighbour is one of all the points, and a shortest path runs over many, so such numbers
are no means over images, and drawing images twice, as the bootstrap does, would put points at
distance zero. The spread of what the other groups give, when one is left out, tells the variance,
and rather too much of it than too little (Efron, Stein 1981 [1]_).

References
----------
.. [1] Efron, Stein (1981). The jackknife estimate of variance. Ann. Stat. 9.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from tickle_core.statistics import LEVEL, ROUNDING


def error(without: ArrayLike) -> np.ndarray:
    """Standard errors of numbers, from what they are without each of the groups (groups, ...)."""
    without = np.asarray(without, np.float64)
    groups = len(without)
    return np.sqrt(np.square(without - without.mean(0)).sum(0) * (groups - 1) / groups)


def quantile(groups: int) -> float:
    """How many standard errors an interval of 95 % reaches to either side: Student's."""
    return float(stdtrit(groups - 1, (1 + LEVEL) / 2))


def estimate(value: float, without: ArrayLike, n: int) -> dict[str, Any]:
    """A number as an estimate.

    Parameters
    ----------
    without
        (groups,), what it is without each group of images; groups are about equal in size.
    n
        Images.
    """
    if np.isnan(value):
        return {"value": None, "interval": None, "n": n, "why": "nothing to measure"}
    without = np.asarray(without, np.float64)
    reach = quantile(len(without)) * float(error(without))
    if np.isnan(reach):
        return {"value": value, "interval": None, "n": n, "why": f"too few: {n}"}
    if reach <= ROUNDING * abs(value):
        return {"value": value, "interval": None, "n": n, "why": "all alike"}
    return {"value": value, "interval": [value - reach, value + reach], "n": n}
