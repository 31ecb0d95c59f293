"""Nearest neighbours are exact whatever the offset, and copies do not count twice."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tickle_core.errors import TickleError
from tickle_core.geometry import intrinsic
from tickle_core.geometry.neighbours import COPY, distinct, nearest


def reference(points, count):
    apart = cdist(points.astype(np.float64), points.astype(np.float64))
    np.fill_diagonal(apart, np.inf)
    order = np.argsort(apart, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(apart, order, 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("n", "d", "count"), [(300, 20, 12), (40, 100, 5), (5, 2, 9)])
def test_they_are_those_of_all_distances(dtype, n, d, count):
    points = np.random.default_rng(0).standard_normal((n, d)).astype(dtype)
    found = nearest(points, count)
    indices, distances = reference(points, min(count, n - 1))
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
    assert (found.indices == indices).mean() > 0.99  # ties in half precision aside


def test_a_large_offset_changes_nothing():
    """In float32 on uncentred points, nearly all of them would be wrong."""
    rng = np.random.default_rng(0)
    # Multiples of 1/64 survive the move in float32 exactly.
    points = np.round(rng.standard_normal((400, 64)) * 64).astype(np.float32) / 64
    found, moved = nearest(points, 20), nearest(points + np.float32(1e3), 20)
    np.testing.assert_allclose(moved.distances, found.distances, rtol=1e-12)
    assert intrinsic.two_nn(moved.distances) == pytest.approx(
        intrinsic.two_nn(found.distances), rel=1e-4
    )


def test_copies_count_once():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((200, 10))
    copied = np.concatenate([points, points[:50], points[:50] * (1 + 1e-8)])
    first, found = distinct(copied, 10)
    assert (first[:200] == np.arange(200)).all()
    assert (first[200:250] == np.arange(50)).all() and (first[250:] == np.arange(50)).all()
    expected = nearest(points, 10)
    assert (found.indices == expected.indices).all()
    assert intrinsic.two_nn(found.distances) == intrinsic.two_nn(expected.distances)


def test_what_is_near_but_no_copy_stays():
    points = np.random.default_rng(0).standard_normal((50, 3))
    points[1] = points[0] + 100 * COPY
    assert (distinct(points, 5)[0] == np.arange(50)).all()


def test_neighbours_of_a_part_are_those_of_the_part():
    rng = np.random.default_rng(0)
    points, kept = rng.standard_normal((200, 8)), rng.random(200) < 0.7
    found, part = nearest(points, 60).within(kept), nearest(points[kept], 60)
    columns = found.indices.shape[1]
    assert columns >= 20
    assert (found.indices == part.indices[:, :columns]).all()
    np.testing.assert_allclose(found.distances, part.distances[:, :columns])


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (np.ones((1, 2)), "no neighbours"),
        (np.array([[1.0], [np.nan], [2.0]]), "NaN or infinity"),
        (np.array([[1.0], [np.inf], [2.0]]), "NaN or infinity"),
        (np.ones((30, 2)), "copies of one another"),
    ],
)
def test_what_has_none_is_refused(points, says):
    with pytest.raises(TickleError, match=says):
        distinct(points, 3)
