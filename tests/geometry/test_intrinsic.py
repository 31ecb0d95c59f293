"""Local dimensions: those of scikit-dimension, the truth where it is known, conventions."""

import numpy as np
import pytest

from tickle_core.geometry import intrinsic, nulls
from tickle_core.geometry.neighbours import nearest

# Name in scikit-dimension 0.5.0: dimension, where it is 10 at most.
MANIFOLDS = {
    "M1_Sphere": 10, "M2_Affine_3to5": 3, "M3_Nonlinear_4to6": 4, "M4_Nonlinear": 4,
    "M5a_Helix1d": 1, "M5b_Helix2d": 2, "M6_Nonlinear": 6, "M7_Roll": 2, "M8_Nonlinear": 12,
    "M9_Affine": 20, "M10a_Cubic": 10, "M10b_Cubic": 17, "M10c_Cubic": 24, "M10d_Cubic": 70,
    "M11_Moebius": 2, "M12_Norm": 20, "M13a_Scurve": 2, "M13b_Spiral": 1, "Mbeta": 10,
    "Mn1_Nonlinear": 18, "Mn2_Nonlinear": 24, "Mp1_Paraboloid": 3, "Mp2_Paraboloid": 6,
    "Mp3_Paraboloid": 9,
}  # fmt: skip
# A spiral that is traced five times, and mass that crowds at a corner: no neighbours tell.
BEYOND = {"M13b_Spiral", "Mbeta"}
TOLERANCE = 0.25  # of 1,000 points; paraboloids are thin far out


@pytest.fixture(scope="module")
def manifolds():
    from skdim.datasets import BenchmarkManifolds  # numba behind it takes seconds to load

    return BenchmarkManifolds(random_state=0).generate(n=1000)


@pytest.mark.slow
def test_there_are_all_manifolds(manifolds):
    assert set(manifolds) == set(MANIFOLDS)


@pytest.mark.slow
@pytest.mark.parametrize("name", MANIFOLDS)
def test_estimates_are_those_of_scikit_dimension(name, manifolds):
    from skdim.id import GRIDE, MLE, TwoNN

    points = manifolds[name]
    found = nearest(points, 32).distances
    theirs = TwoNN(method="mle", dist=True).fit(found[:, :2]).dimension_
    assert intrinsic.two_nn(found) == pytest.approx(theirs, rel=1e-8)
    # Inverses are averaged over points, as here.
    theirs = MLE().fit(points, n_neighbors=20, comb="mle").dimension_
    assert intrinsic.mle(found) == pytest.approx(theirs, rel=1e-6)
    for nearer in (1, 4, 16):
        theirs = GRIDE(n1=nearer).fit(points).dimension_
        # It leaves out ratios that are far from the median.
        ratios = found[:, 2 * nearer - 1] / found[:, nearer - 1]
        high, middle = np.percentile(ratios, [95, 50])
        kept = found[ratios < middle + 20 * (high - middle)]
        assert intrinsic.gride(kept, nearer) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(MANIFOLDS) - BEYOND))
def test_the_truth_is_found_up_to_ten_dimensions_and_never_beyond_it(name, manifolds):
    truth, found = MANIFOLDS[name], nearest(manifolds[name], 20).distances
    if truth <= 10:
        assert intrinsic.two_nn(found) == pytest.approx(truth, rel=TOLERANCE)
    else:
        assert intrinsic.two_nn(found) < 1.1 * truth


def test_above_twenty_dimensions_they_are_too_small():
    points = np.random.default_rng(0).standard_normal((2000, 50))
    near = nearest(points, 50)
    assert intrinsic.two_nn(near.distances) == pytest.approx(32.4, abs=3)
    assert intrinsic.mle(near.distances) == pytest.approx(27.8, abs=1)
    local = intrinsic.local_pca(points, near, np.arange(200), 0.95)
    assert local == pytest.approx(30.3, abs=1)


def test_the_other_convention_of_maximum_likelihood_is_a_factor():
    """(k - 2) / (k - 1): Pope et al. divide by k - 2 before they average inverses."""
    distances = nearest(np.random.default_rng(0).standard_normal((300, 5)), 10).distances
    sums = np.log(distances[:, -1:] / distances[:, :-1]).sum(1)
    assert 1 / (sums / 8).mean() == pytest.approx(8 / 9 * intrinsic.mle(distances, 10))


def test_noise_counts_at_small_scales_alone():
    """A swiss roll with noise: the curve falls towards 2."""
    rng = np.random.default_rng(0)
    t, y = 1.5 * np.pi * (1 + 2 * rng.random(4000)), 21 * rng.random(4000)
    points = np.stack([t * np.cos(t), y, t * np.sin(t)], 1) + 0.3 * rng.standard_normal((4000, 3))
    distances = nearest(points, 128).distances
    curve = [intrinsic.gride(distances, n) for n in intrinsic.scales(128)]
    assert curve[0] > 2.6
    assert curve[-1] == pytest.approx(2.05, abs=0.15)


@pytest.mark.parametrize("dimension", [1, 3])
def test_local_pca_of_a_flat_patch_is_its_dimension(dimension):
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((20, 20)))[0][:dimension]
    points = rng.standard_normal((500, dimension)) @ axes + 1e3
    found = intrinsic.local_pca(points, nearest(points, 50), np.arange(100), 0.99)
    assert dimension - 1 < found <= dimension


def test_ties_do_not_break_the_scales():
    grid = np.stack(np.meshgrid(range(12), range(12)), -1).reshape(-1, 2).astype(float)
    distances = nearest(grid, 16).distances
    assert np.isnan(intrinsic.gride(distances, 1))  # the two nearest are equally near
    assert np.isfinite([intrinsic.gride(distances, n) for n in (4, 8)]).all()
    assert np.isnan(intrinsic.gride(distances, 16))  # more than are known


def orbit(name):
    """A picture turned, or moved in two directions: a curve, and a surface, of images."""
    y, x = np.mgrid[-16:16, -16:16] + 0.5
    rng = np.random.default_rng(0)
    if name == "rotation":
        angles = rng.random(1500) * 2 * np.pi
        turned = (
            np.cos(angles)[:, None, None] * x + np.sin(angles)[:, None, None] * y,
            np.cos(angles)[:, None, None] * y - np.sin(angles)[:, None, None] * x,
        )
    else:
        shifts = rng.uniform(-5, 5, (1500, 2))
        turned = x - shifts[:, :1, None], y - shifts[:, 1:, None]
    u, v = turned
    return np.exp(-((u - 4) ** 2 / 18 + v**2 / 60)) + 0.6 * np.exp(-((u + 5) ** 2 + v**2) / 12)


@pytest.mark.parametrize(("name", "dimension"), [("rotation", 1), ("translation", 2)])
def test_orbits_of_a_picture_keep_their_dimension_inside_a_network(name, dimension):
    import torch

    from tickle_core.models.small_resnet import SmallResNet

    torch.manual_seed(0)
    network = SmallResNet(1, 10).eval()
    features = []
    network.layer2.register_forward_hook(lambda *call: features.append(call[-1].mean((2, 3))))
    with torch.no_grad():
        for part in np.array_split(orbit(name).astype(np.float32), 6):
            network(torch.from_numpy(part)[:, None])
    points = torch.cat(features).numpy()
    found = intrinsic.gride(nearest(points, 16).distances, 8)
    assert found == pytest.approx(dimension, abs=0.35)
    # Its covariance spans more: a Gaussian of the same covariance fills it.
    flat = nulls.matched_gaussian(points, np.random.default_rng(0))
    assert intrinsic.gride(nearest(flat, 16).distances, 8) > dimension + 0.5
