"""The curvature of a layer: flat classes on a bent whole, equal sizes, paths, seeds."""

import json

import numpy as np
import pytest

from tickle_core.geometry import bending, curvature, geodesics
from tickle_core.geometry.clouds import Cloud
from tickle_core.geometry.neighbours import distinct
from tickle_core.params.curvature import Curvature

SETTINGS = Curvature(neighbours=10, others=[6, 15], sources=60, groups=8, draws=3, shown=2)
N = 900


def cloud(points):
    first, near = distinct(points, 60)
    own = np.flatnonzero(first == np.arange(len(points)))
    return Cloud(points[own], own, near, len(points) - len(own))


def roll(rng):
    """A swiss roll whose classes are thirds of its length."""
    t, y = 1.5 * np.pi * (1 + 2 * rng.random(N)), 21 * rng.random(N)
    labels = np.minimum(2, ((t - t.min()) / (t.max() - t.min()) * 3).astype(int))
    return np.stack([t * np.cos(t), y, t * np.sin(t)], 1), labels


def run(points, labels, null, seed=0):
    blocks = {"trained": np.arange(len(points)) % 8, "untrained": np.arange(len(null)) % 8}
    return curvature.analyse(cloud(points), cloud(null), labels, blocks, SETTINGS, seed)


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    points, labels = roll(rng)
    return run(points, labels, rng.standard_normal((N, 3)))


def test_a_roll_bends_beyond_flat_data_and_an_untrained_layer(found):
    for name in ("by_gaussian", "by_cube"):
        number = found.metrics[name]
        assert number["interval"][0] > 0.1
        assert number["interval"][0] < number["value"] < number["interval"][1]
        assert abs(number["null"]["value"]) < 0.12
        # Half the images say the same, within the interval of either.
        half = found.metrics["half"][name]
        assert half["n"] == pytest.approx(N / 2, abs=5)
        assert half["interval"][0] < number["interval"][1]
        assert number["interval"][0] < half["interval"][1]
    assert found.metrics["dimension"]["value"] == 2
    assert found.metrics["unreachable"]["value"] == 0


def test_classes_are_measured_at_equal_size(found):
    assert found.classes["label"].tolist() == [0, 1, 2]
    assert found.classes["n"].nunique() == 1
    assert (found.classes["by_cube_low"] < found.classes["by_cube"]).all()


def test_other_numbers_of_neighbours_stand_beside(found):
    assert found.by_count["neighbours"].tolist() == [6, 10, 15] * 2
    trained = found.by_count[found.by_count["of"] == "trained"]
    # Fewer neighbours, more zigzag.
    assert trained["kappa"].is_monotonic_decreasing


def test_paths_are_what_they_say(found):
    points, _ = roll(np.random.default_rng(0))
    edges = geodesics.graph(cloud(points).neighbours, 10)
    for (_, _), path in found.paths.groupby(["side", "rank"]):
        images = path.sort_values("step")["image"].tolist()
        length = sum(edges[a, b] or edges[b, a] for a, b in zip(images, images[1:], strict=False))
        straight = np.linalg.norm(points[images[0]] - points[images[-1]])
        assert length / straight - 1 == pytest.approx(path["kappa"].iloc[0])
    sides = found.paths.groupby("side")["kappa"]
    assert sides.min()["most"] > sides.max()["least"]


def test_two_blobs_are_not_bridged():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((N, 3)) + 1e3 * (np.arange(N) % 2)[:, None]
    found = run(points, np.arange(N) % 2, rng.standard_normal((N, 3)))
    assert found.metrics["unreachable"]["value"] == pytest.approx(0.5, abs=0.01)
    # Within each, they are flat.
    assert found.classes["by_gaussian"].abs().max() < 0.1
    assert (found.classes["unreachable"] == 0).all()


def test_it_is_seeded_and_ready_for_json(found):
    rng = np.random.default_rng(0)
    points, labels = roll(rng)
    again = run(points, labels, rng.standard_normal((N, 3)))
    assert json.loads(json.dumps(again.metrics, allow_nan=False)) == found.metrics
    for name in ("classes", "by_count", "paths"):
        assert getattr(again, name).equals(getattr(found, name))


def test_classes_of_few_images_are_left_out():
    rng = np.random.default_rng(0)
    found = run(rng.standard_normal((200, 3)), np.arange(200) % 20, rng.standard_normal((200, 3)))
    assert found.classes.empty


@pytest.mark.slow
def test_flat_data_are_called_bent_in_one_of_twenty_runs_at_most():
    """The interval of kappa* against the Gaussian holds 0."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(60):
        own = cloud(rng.standard_normal((200, 12)) / np.arange(1, 13))
        found = curvature.measure(own.points, own.neighbours, np.arange(200) % 8, SETTINGS, rng)
        low, high = found["by_gaussian"]["interval"]
        held.append(low <= 0 <= high)
    assert np.mean(held) >= 0.9


def test_distances_of_a_point_from_itself_do_not_count():
    points = np.random.default_rng(0).standard_normal((50, 2))
    edges = geodesics.graph(cloud(points).neighbours, 5)
    apart, _ = bending.pair_distances(points, edges, np.array([3, 7]))
    assert np.isnan(apart[[0, 1], [3, 7]]).all() and np.isnan(apart).sum() == 2
