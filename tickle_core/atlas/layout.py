"""Where cells lie on a grid: similar ones near each other."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from tickle_core.geometry.coordinates import principal


def grid(centres: np.ndarray) -> np.ndarray:
    """Row and column (k, 2) of each of k centres (k, d) on a grid that is about square.

    The grid is laid over their first two principal components, each by rank, so that cells fill it
    evenly, and centres go to places with the least sum of squared distances.
    """
    k = len(centres)
    columns = int(np.ceil(np.sqrt(k)))
    rows = -(-k // columns)
    around = centres.astype(np.float64) - centres.mean(0, dtype=np.float64)
    flat = principal(around, 2)
    ranks = flat.argsort(0, kind="stable").argsort(0, kind="stable") / max(1, k - 1)
    places = np.array([(row, column) for row in range(rows) for column in range(columns)])
    ends = np.maximum([columns - 1, rows - 1], 1)
    apart = np.square(ranks[:, None] - (places[:, ::-1] / ends)[None]).sum(2)
    return places[linear_sum_assignment(apart)[1]]
