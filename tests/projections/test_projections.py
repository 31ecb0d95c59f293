"""Maps onto a plane: what they are on known points, and scikit-learn's trustworthiness."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.decomposition import PCA, KernelPCA
from sklearn.manifold import trustworthiness

from tickle_core.projections import analysis, methods
from tickle_core.projections.preservation import preservation

SETTINGS = SimpleNamespace(images=200, neighbours=8, draws=3)


def clusters(n=150, d=12, apart=12.0):
    rng = np.random.default_rng(0)
    centres = apart * np.eye(3, d)
    points = rng.standard_normal((n, d)) + centres[np.arange(n) % 3]
    return points - points.mean(0)


@pytest.mark.parametrize("neighbours", [3, 10])
def test_both_numbers_are_those_of_scikit_learn(neighbours):
    points = clusters()
    maps = {"pca": methods.pca(points, 0), "random": points[:, 5:7]}
    found = preservation(points, maps, neighbours)
    for name, flat in maps.items():
        trust = trustworthiness(points, flat, n_neighbors=neighbours)
        torn = trustworthiness(flat, points, n_neighbors=neighbours)
        assert found[name]["trustworthiness"].mean() == pytest.approx(trust, abs=1e-12)
        assert found[name]["continuity"].mean() == pytest.approx(torn, abs=1e-12)


def test_a_perfect_map_has_one_and_a_shuffled_one_about_a_half():
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((400, 2))
    found = preservation(flat, {"same": 3 * flat, "shuffled": rng.permutation(flat)}, 10)
    assert (found["same"]["trustworthiness"] == 1).all() and (
        found["same"]["continuity"] == 1
    ).all()
    assert found["shuffled"]["trustworthiness"].mean() == pytest.approx(0.5, abs=0.03)


def test_blocks_do_not_matter(monkeypatch):
    points = clusters()
    whole = preservation(points, {"pca": methods.pca(points, 0)}, 5)["pca"]
    monkeypatch.setattr("tickle_core.projections.preservation.BLOCK_BYTES", 8 * 150 * 7)
    parts = preservation(points, {"pca": methods.pca(points, 0)}, 5)["pca"]
    for name, values in whole.items():
        np.testing.assert_array_equal(values, parts[name])


def test_pca_is_that_of_scikit_learn():
    points = clusters()
    theirs = PCA(2, svd_solver="full").fit_transform(points)
    np.testing.assert_allclose(np.abs(methods.pca(points, 0)), np.abs(theirs), atol=1e-9)


def test_kernel_pca_with_all_points_as_landmarks_is_that_of_scikit_learn(monkeypatch):
    points = clusters()
    monkeypatch.setattr(methods, "LANDMARKS", len(points))
    rng = np.random.default_rng(3)
    one, other = rng.integers(0, len(points), (2, 2000))
    apart = np.median(np.square(points[one[one != other]] - points[other[one != other]]).sum(1))
    theirs = KernelPCA(2, kernel="rbf", gamma=1 / apart).fit_transform(points)
    np.testing.assert_allclose(
        np.abs(methods.kernel_pca(points, 3)), np.abs(theirs), atol=1e-6 * np.abs(theirs).max()
    )


def test_ica_finds_the_sources_that_are_not_gaussian():
    rng = np.random.default_rng(0)
    sources = np.column_stack([rng.uniform(-1, 1, (2000, 2)), rng.standard_normal((2000, 6))])
    points = sources @ np.linalg.qr(rng.standard_normal((8, 8)))[0]
    found = methods.ica(points - points.mean(0), 0)
    matched = np.abs(np.corrcoef(found.T, sources[:, :2].T)[:2, 2:])
    assert matched.max(0) == pytest.approx([1, 1], abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tsne", "umap"])
def test_neighbour_maps_keep_clusters_apart_and_are_seeded(name):
    points = clusters()
    found, again = (methods.METHODS[name](points, 0) for _ in range(2))
    assert found.tobytes() == again.tobytes()
    centres = np.stack([found[place::3].mean(0) for place in range(3)])
    nearest = np.linalg.norm(found[:, None] - centres, axis=2).argmin(1)
    assert (nearest == np.arange(len(points)) % 3).mean() > 0.95


@pytest.mark.slow
def test_the_analysis_is_whole_seeded_and_ready_for_json():
    points = clusters().astype(np.float32)
    found, again = (analysis.analyse(points, SETTINGS, 0) for _ in range(2))
    assert json.loads(json.dumps(found.metrics, allow_nan=False)) == again.metrics
    assert found.maps.equals(again.maps)
    assert set(found.metrics) == set(methods.METHODS)
    for name, numbers in found.metrics.items():
        for number in analysis.NUMBERS:
            each = numbers[number]
            assert each["interval"][0] <= each["value"] <= each["interval"][1]
            low, high = each["null"]["range"]
            assert low <= high
        assert ("beyond" in numbers) == (name != "pca")
    assert found.metrics["tsne"]["trustworthiness"]["value"] > 0.9
    assert len(found.maps) == len(points) * len(methods.METHODS)


@pytest.mark.parametrize("shape", [(60, 1), (60, 2), (60, 200)])
def test_few_dimensions_and_few_points_do_not_break_the_linear_maps(shape):
    points = np.random.default_rng(0).standard_normal(shape)
    points -= points.mean(0)
    for name in ("pca", "ica", "kernel_pca"):
        found = methods.METHODS[name](points, 0)
        assert found.shape == (60, 2) and np.isfinite(found).all()
