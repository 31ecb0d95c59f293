"""Do points come in one piece or in two? Three answers, which have to agree.

cut          the conductance of the best cut, against those of Gaussians of the same covariance,
             each with its own best cut
dip          Hartigan's dip test (1985) along the direction that the best cut of one half of the
             points gives, on the other half; both ways round, so twice the smaller p-value counts
narrowness   how many edges the best cut takes, in parts of what it takes to cut either part again

The first two are tests, and both are beaten by a curve: it is cut at two places, however connected,
and a circle has two peaks from any side. The third tells it from two parts, as a curve is as thin
everywhere. A set is called split where the larger one of the two p-values is small, after
correction, and the third is at most `NARROW`.

HDBSCAN's answer is kept beside them and decides nothing: allowed to find a single cluster, it finds
one in two Gaussians eight standard deviations apart in ten dimensions; not allowed to, it takes a
closed curve for four.
"""

from dataclasses import dataclass

import diptest
import numpy as np
from scipy.special import stdtr
from sklearn.cluster import HDBSCAN

from tickle_core.fractures.cuts import Cut, best_cut, graph, narrowness
from tickle_core.geometry import nulls
from tickle_core.geometry.coordinates import principal

NARROW = 0.5
MOST_DIMENSIONS = 50  # that HDBSCAN gets: principal components
LEAST_CLUSTER = 0.1  # of the points


@dataclass(frozen=True)
class Split:
    """What was found of n points.

    Attributes
    ----------
    cut
        The best one.
    narrowness
        Of it.
    flat
        (draws,) conductances of the best cuts of Gaussians.
    p_cut, p_dip
        Of the two tests.
    clusters
        That HDBSCAN finds, one among them where it finds no more.
    """

    cut: Cut
    narrowness: float
    flat: np.ndarray
    p_cut: float
    p_dip: float
    clusters: int

    @property
    def p(self) -> float:
        """Of either test's being right by chance."""
        return max(self.p_cut, self.p_dip)


def split(points: np.ndarray, neighbours: int, draws: int, rng: np.random.Generator) -> Split:
    """Look for two parts in points (n, d)."""
    edges = graph(points, neighbours)
    cut = best_cut(edges)
    samples = (nulls.matched_gaussian(points, rng) for _ in range(draws))
    flat = np.array([best_cut(graph(each, neighbours)).conductance for each in samples])
    return Split(
        cut=cut,
        narrowness=narrowness(edges, cut),
        flat=flat,
        p_cut=lower_p(cut.conductance, flat),
        p_dip=dip_p(points, neighbours, rng),
        clusters=dense(points),
    )


def lower_p(observed: float, draws: np.ndarray) -> float:
    """How likely a draw is no larger than `observed`: by Student's t, or by counting.

    The larger of the two, as in `statistics.single_case`, but to one side.
    """
    n, spread = len(draws), draws.std(ddof=1)
    counted = float((draws <= observed).mean())
    if spread == 0:
        return max(counted, 1 / (n + 1))
    t = (observed - draws.mean()) / (spread * (1 + 1 / n) ** 0.5)
    return max(float(stdtr(n - 1, t)), counted)


def dip_p(points: np.ndarray, neighbours: int, rng: np.random.Generator) -> float:
    """The dip test along a direction that other points chose."""
    half = rng.permutation(len(points)) % 2 == 0
    found = []
    for chooses in (half, ~half):
        chosen = points[chooses].astype(np.float64)
        side = best_cut(graph(chosen, neighbours)).side
        direction = chosen[side].mean(0) - chosen[~side].mean(0)
        found.append(diptest.diptest(points[~chooses] @ direction)[1])
    return min(1.0, 2 * float(min(found)))


def dense(points: np.ndarray) -> int:
    """Clusters that HDBSCAN finds in at most `MOST_DIMENSIONS` principal components."""
    around = points.astype(np.float64) - points.mean(0, dtype=np.float64)
    if points.shape[1] > MOST_DIMENSIONS:
        around = principal(around, MOST_DIMENSIONS)
    least = max(5, round(LEAST_CLUSTER * len(points)))
    engine = HDBSCAN(min_cluster_size=least, min_samples=5, allow_single_cluster=True, copy=True)
    return max(1, int(engine.fit(around).labels_.max()) + 1)
