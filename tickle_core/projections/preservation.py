"""How far a map can be believed: whether neighbours on it were neighbours, and the other way round.

Trustworthiness (Venna, Kaski 2001 [1]_) punishes each of a point's k neighbours on the map that is
none in the original space by how far down it ranks there:

    1 - 2 / (n k (2n - 3k - 1)) sum_i sum_{j in map's k} max(0, rank(i, j) - k)

Continuity is the same with the two spaces exchanged: it punishes neighbours that are torn apart.
1 is perfect; points on the map in any order give about one half.

Cost: n**2 log n for each map. Memory: a block of rows by n, however many points there are.

References
----------
.. [1] Venna, Kaski (2001). Neighborhood preservation in nonlinear projection methods. ICANN.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.spatial.distance import cdist

BLOCK_BYTES = 32 * 2**20


def preservation(
    points: np.ndarray, maps: Mapping[str, np.ndarray], neighbours: int
) -> dict[str, dict[str, np.ndarray]]:
    """By map, `trustworthiness` and `continuity` of each point, (n,): their means are the map's.

    Parameters
    ----------
    points
        (n, d), n > 1.5 * neighbours + 1.
    maps
        (n, 2) each.
    """
    n, k = len(points), neighbours
    found = {name: np.empty((2, n)) for name in maps}
    for rows, ranks in _ranks(points):
        original = ranks <= k
        for name, flat in maps.items():
            on_map = _ranks_of(flat, rows)
            found[name][0, rows] = (np.maximum(ranks - k, 0) * (on_map <= k)).sum(1)
            found[name][1, rows] = (np.maximum(on_map - k, 0) * original).sum(1)
    scale = 2 / (k * (2 * n - 3 * k - 1))
    return {
        name: dict(zip(("trustworthiness", "continuity"), 1 - scale * each, strict=True))
        for name, each in found.items()
    }


def _ranks(points: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    at_once = max(1, BLOCK_BYTES // (8 * len(points)))
    for start in range(0, len(points), at_once):
        rows = slice(start, start + at_once)
        yield rows, _ranks_of(points, rows)


def _ranks_of(points: np.ndarray, rows: slice) -> np.ndarray:
    """From 1 on, how near each point is among all to each of the rows; a point itself has 0."""
    apart = cdist(points[rows].astype(np.float64), points.astype(np.float64))
    own = np.arange(len(points))[rows]
    apart[np.arange(len(own)), own] = -1
    order = np.argsort(apart, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(len(points))[None], axis=1)
    return ranks
