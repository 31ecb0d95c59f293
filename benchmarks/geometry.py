"""Geometry against scikit-learn and scikit-dimension: the same numbers, time, memory, growth.

geodesics    distances from 500 landmarks along the 10 nearest neighbours, d = 128, beside all
             distances of Isomap at the sizes that it manages
pca          eigenvalues of 200,000 streamed vectors, d = 512, beside IncrementalPCA's
neighbours   the 15 nearest of 50,000 points, d = 128, beside NearestNeighbors by brute force, which
             is what finds the candidates here: what centring and computing kept distances once more
             cost
dimension    TwoNN and MLE of 5,000 points, d = 30, beside scikit-dimension's

    python -m benchmarks.geometry             # some 3 minutes on two cores
    python -m benchmarks.geometry pca         # one of them
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

GOAL_PCA = 5


def main() -> None:
    """Run the parts that are asked for."""
    parts = {
        "geodesics": geodesics,
        "pca": pca,
        "neighbours": neighbours,
        "dimension": dimension,
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.geometry")
    parser.add_argument("part", nargs="?", choices=list(parts))
    asked = parser.parse_args().part
    for name in [asked] if asked else parts:
        print(f"{name}: contender, size, seconds, peak MiB")
        parts[name]()


def report(work: Callable[[Any], Any], given: Callable[..., Any], n: int, *more: int) -> Any:
    """Run a contender in a process of its own; print and return its seconds, and its result."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, mib, found = pool.apply(measured, (work, given, n, *more))
    print(f"  {work.__name__:24} {n:>8} {seconds:8.2f} s {mib:7.0f} MiB")
    return seconds, found


def measured(
    work: Callable[[Any], Any], given: Callable[..., Any], n: int, *more: int
) -> tuple[float, float, Any]:
    """Seconds, growth of the peak memory, result; data and imports count in neither."""
    work(given(600, *more))
    data = given(n, *more)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    found = work(data)
    seconds = time.perf_counter() - began
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10, found


def points(n: int, d: int) -> np.ndarray:
    """A bent sheet of five dimensions in d, float32, off centre."""
    rng = np.random.default_rng(0)
    low = rng.standard_normal((n, 5))
    waves = np.sin(low @ rng.standard_normal((5, d)) + rng.random(d))
    return (waves + 0.01 * rng.standard_normal((n, d)) + 3).astype(np.float32)


# Geodesics


def geodesics() -> None:
    """Ours at N = 20,000 and as it grows; Isomap as far as it goes."""
    for n in (5_000, 10_000, 20_000, 40_000):
        report(landmarks, points, n, 128)
    for n in (1_000, 2_000, 4_000):
        report(isomap, points, n, 128)
    _, ours = report(landmarks, points, 2_000, 128)
    _, theirs = report(isomap, points, 2_000, 128)
    # Isomap links components that are apart; here there is one.
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def landmarks(given: np.ndarray) -> np.ndarray:
    """Distances (500, n); of them the first 1000 columns come back."""
    from tickle_core.geometry import geodesics as paths
    from tickle_core.geometry.neighbours import nearest

    edges = paths.graph(nearest(given, 10), 10)
    return paths.distances(edges, np.arange(500))[:, :1000]


def isomap(given: np.ndarray) -> np.ndarray:
    """Distances of all pairs; the same part comes back."""
    from sklearn.manifold import Isomap

    found = Isomap(n_neighbors=10).fit(given).dist_matrix_
    return found[:500, :1000]


# Streamed PCA


def pca() -> None:
    """The eigenvalues are those of the covariance, to 1e-10; scikit-learn's nearly so."""
    ours, found = report(streamed, chunks, 200_000)
    theirs, other = report(incremental, chunks, 200_000)
    exact = full(200_000)
    off = [float(np.abs(each - exact).max() / exact[0]) for each in (found, other)]
    assert off[0] < 1e-10, off
    mark = "" if theirs / ours >= GOAL_PCA else "  *"
    print(f"  ratio {theirs / ours:.1f}{mark}; off by {off[0]:.0e} and {off[1]:.0e}")


def chunks(n: int, size: int = 4096) -> list[np.ndarray]:
    """Correlated vectors (n, 512) float32."""
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((512, 512)).astype(np.float32) / np.arange(1, 513) ** 0.5
    counts = [size] * (n // size) + [n % size] * (n % size > 0)
    return [rng.standard_normal((each, 512), dtype=np.float32) @ mix.T for each in counts]


def streamed(parts: list[np.ndarray]) -> np.ndarray:
    """Moments of each chunk, merged."""
    from tickle_core.geometry.moments import block_moments, covariance_eigenvalues

    in_blocks = ((rows, np.zeros(len(rows), int)) for rows in parts)
    return covariance_eigenvalues(block_moments(in_blocks, 1)[0])


def incremental(parts: list[np.ndarray]) -> np.ndarray:
    """Chunk by chunk; each has to have as many rows as there are components."""
    from sklearn.decomposition import IncrementalPCA

    engine = IncrementalPCA(512)
    for rows in parts:
        engine.partial_fit(rows)
    return engine.explained_variance_


def full(n: int) -> np.ndarray:
    """Of all vectors at once, in float64."""
    whole = np.concatenate(chunks(n)).astype(np.float64)
    return np.linalg.eigvalsh(np.cov(whole, rowvar=False))[::-1]


# Neighbours


def neighbours() -> None:
    """The same neighbours."""
    ours, found = report(exact_neighbours, points, 50_000, 128)
    theirs, other = report(brute_force, points, 50_000, 128)
    same = float((found == other).mean())
    assert same > 0.9999, same
    print(f"  ratio {theirs / ours:.2f}; the same in {same:.5f}")


def exact_neighbours(given: np.ndarray) -> np.ndarray:
    """Centred, distances computed once more."""
    from tickle_core.geometry.neighbours import nearest

    return nearest(given, 15).indices


def brute_force(given: np.ndarray) -> np.ndarray:
    """As it comes."""
    from sklearn.neighbors import NearestNeighbors

    engine = NearestNeighbors(n_neighbors=15, algorithm="brute").fit(given)
    return engine.kneighbors(return_distance=False)


# Dimension


def dimension() -> None:
    """The same numbers."""
    ours, found = report(both, points, 5_000, 30)
    theirs, other = report(scikit_dimension, points, 5_000, 30)
    np.testing.assert_allclose(found, other, rtol=1e-4)
    print(f"  ratio {theirs / ours:.1f}; TwoNN {found[0]:.3f}, MLE {found[1]:.3f}")


def both(given: np.ndarray) -> list[float]:
    """From one search for neighbours."""
    from tickle_core.geometry import intrinsic
    from tickle_core.geometry.neighbours import nearest

    distances = nearest(given, 20).distances
    return [intrinsic.two_nn(distances), intrinsic.mle(distances)]


def scikit_dimension(given: np.ndarray) -> list[float]:
    """Each searches by itself."""
    from skdim.id import MLE, TwoNN

    mle = MLE().fit(given, n_neighbors=20, comb="mle").dimension_
    return [TwoNN(method="mle").fit(given).dimension_, mle]


if __name__ == "__main__":
    main()
