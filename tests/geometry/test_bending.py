"""Geodesics and curvature on data whose answers are known; flat data are flat."""

import numpy as np
import pytest

from tickle_core.geometry import bending, geodesics, nulls
from tickle_core.geometry.bending import corrected
from tickle_core.geometry.neighbours import nearest

N, K = 2000, 10
SOURCES = np.arange(0, N, 20)


def swiss_roll(rng, n):
    """Points, and their coordinates when it is rolled out."""
    t, y = 1.5 * np.pi * (1 + 2 * rng.random(n)), 21 * rng.random(n)
    length = (t * np.sqrt(1 + t**2) + np.arcsinh(t)) / 2
    return np.stack([t * np.cos(t), y, t * np.sin(t)], 1), np.stack([length, y], 1)


@pytest.mark.parametrize("count", [16, 32])
def test_around_a_circle_it_is_the_arc(count):
    angles = np.sort(np.random.default_rng(0).random(1000)) * 2 * np.pi
    points = np.stack([np.cos(angles), np.sin(angles)], 1)
    edges = geodesics.graph(nearest(points, count), count)
    found = geodesics.distances(edges, np.array([0]))[0]
    arc = np.abs(angles - angles[0])
    arc = np.minimum(arc, 2 * np.pi - arc)
    far = arc > 0.2
    assert np.isfinite(found).all()
    ratio = found[far] / arc[far]
    assert ratio.min() > 0.99 and ratio.max() < 1.002
    # Antipodes: half the circle against its diameter.
    opposite = int(np.argmin(np.abs(arc - np.pi)))
    straight = np.linalg.norm(points[opposite] - points[0])
    assert found[opposite] / straight - 1 == pytest.approx(np.pi / 2 - 1, abs=0.01)


def test_along_a_swiss_roll_it_is_the_way_on_the_sheet():
    points, sheet = swiss_roll(np.random.default_rng(0), N)
    edges = geodesics.graph(nearest(points, K), K)
    found = geodesics.distances(edges, SOURCES)
    true = np.linalg.norm(sheet[SOURCES][:, None] - sheet, axis=2)
    far = true > np.median(true)
    assert np.isfinite(found).all()
    assert (found[far] < 0.9 * true[far]).mean() == 0
    assert np.median(found[far] / true[far]) == pytest.approx(1.04, abs=0.04)


def test_paths_lead_from_neighbour_to_neighbour():
    points, _ = swiss_roll(np.random.default_rng(0), 800)
    near = nearest(points, K)
    edges = geodesics.graph(near, K)
    found = geodesics.path(edges, 3, 700)
    assert (found[0], found[-1]) == (3, 700)
    steps = list(zip(found, found[1:], strict=False))
    assert all(b in near.indices[a] or a in near.indices[b] for a, b in steps)
    length = sum(np.linalg.norm(points[a] - points[b]) for a, b in steps)
    assert length == pytest.approx(geodesics.distances(edges, np.array([3]))[0, 700])


def test_distances_are_those_of_isomap():
    from sklearn.manifold import Isomap

    points, _ = swiss_roll(np.random.default_rng(0), 400)
    theirs = Isomap(n_neighbors=K).fit(points).dist_matrix_
    edges = geodesics.graph(nearest(points, K), K)
    np.testing.assert_allclose(geodesics.distances(edges, np.arange(400)), theirs, rtol=1e-6)


def test_blobs_apart_stay_apart():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((400, 5)) + 100 * (np.arange(400) % 2)[:, None]
    edges = geodesics.graph(nearest(points, K), K)
    found = bending.bending(points, edges, np.arange(40))
    assert np.isinf(geodesics.distances(edges, np.array([0]))[0, 1::2]).all()
    # Of 399 others, 200 are in the other blob; the distant half are all there.
    assert found.unreachable == pytest.approx(200 / 399)
    assert geodesics.path(edges, 0, 1) == []


def test_where_no_path_joins_distant_points_there_is_no_number():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.standard_normal((30, 3)), rng.standard_normal((170, 3)) + 1e3])
    edges = geodesics.graph(nearest(points, 5), 5)
    assert np.isnan(bending.bending(points, edges, np.arange(30)).kappa)


# The tables of known answers, at 2,000 points and 10 neighbours.


def kappas(points, cube, seed=0):
    rng = np.random.default_rng(seed)
    found = bending.of_sample(points, K, SOURCES).kappa
    flat = [nulls.matched_gaussian(points, rng) for _ in range(3)]
    even = [rng.random((N, cube)) for _ in range(3)]
    by = [np.mean([bending.of_sample(p, K, SOURCES).kappa for p in each]) for each in (flat, even)]
    return found, *(corrected(found, null) for null in by)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spectrum", "raw"),
    [
        (np.ones(10), 0.589),
        (1 / np.arange(1, 101), 1.303),
        (1 / np.arange(1, 101) ** 2, 0.911),
    ],
)
def test_flat_data_are_flat_beside_a_gaussian(spectrum, raw):
    points = np.random.default_rng(1).standard_normal((N, len(spectrum))) * np.sqrt(spectrum)
    found, by_gaussian, _ = kappas(points, 10)
    assert found == pytest.approx(raw, abs=0.06)
    assert abs(by_gaussian) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dimension", "raw", "by_cube", "by_gaussian"),
    [
        (2, 0.279, 0.227, 0.14),
        (3, 0.365, 0.190, 0.12),
        (5, 0.584, 0.150, 0.14),
        (10, 0.941, 0.13, 0.2),
    ],
)
def test_spheres_bend(dimension, raw, by_cube, by_gaussian):
    """Against the Gaussian of the same covariance the table's numbers are of the same dimension
    instead; both are above 0.1."""
    points = np.random.default_rng(0).standard_normal((N, dimension + 1))
    points /= np.linalg.norm(points, axis=1)[:, None]
    found, against_gaussian, against_cube = kappas(points, dimension)
    assert found == pytest.approx(raw, abs=0.03)
    assert against_cube == pytest.approx(by_cube, abs=0.03)
    assert against_gaussian == pytest.approx(by_gaussian, abs=0.04)
    assert min(against_cube, against_gaussian) > 0.1


def test_moving_and_turning_points_changes_nothing():
    rng = np.random.default_rng(0)
    points = np.round(rng.standard_normal((500, 8)) * 2**12).astype(np.float32) / 2**12
    sources = np.arange(0, 500, 10)
    found = bending.of_sample(points, K, sources).kappa
    moved = bending.of_sample(points + np.float32(2**10), K, sources).kappa
    assert moved == pytest.approx(found, rel=1e-4)
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    assert bending.of_sample(points @ turn, K, sources).kappa == pytest.approx(found, rel=1e-6)


def test_gaussians_have_the_covariance_of_the_points():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((400, 6)) @ rng.standard_normal((6, 6)) + 50
    drawn = np.concatenate([nulls.matched_gaussian(points, rng) for _ in range(50)])
    np.testing.assert_allclose(
        np.linalg.eigvalsh(np.cov(drawn.T)), np.linalg.eigvalsh(np.cov(points.T)), rtol=0.05
    )
    few = nulls.matched_gaussian(points[:4], rng)
    assert few.shape == (4, 3)
