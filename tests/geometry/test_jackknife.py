"""Intervals from left-out groups cover, of numbers that are no means over images."""

import numpy as np
import pytest

from tickle_core.geometry import bending, intrinsic, jackknife
from tickle_core.geometry.moments import block_moments
from tickle_core.geometry.neighbours import nearest
from tickle_core.geometry.participation import participation

GROUPS = 20


def test_of_a_mean_it_is_students_interval():
    values = np.random.default_rng(0).standard_normal(20)
    without = (values.sum() - values) / 19
    found = jackknife.estimate(values.mean(), without, 20)
    reach = jackknife.quantile(20) * values.std(ddof=1) / 20**0.5
    assert found["interval"] == pytest.approx([values.mean() - reach, values.mean() + reach])


def test_what_does_not_vary_or_is_not_known_has_no_interval():
    assert jackknife.estimate(2.0, [2.0, 2.0, 2.0], 9)["why"] == "all alike"
    assert "too few" in jackknife.estimate(2.0, [2.0, np.nan, 2.0], 9)["why"]


def numbers(points, groups):
    """Of a sample, each number as an estimate."""
    near = nearest(points, 30)
    found = {}
    for name, of in {"two_nn": intrinsic.two_nn, "mle": intrinsic.mle}.items():
        without = [of(near.within(groups != g).distances) for g in range(GROUPS)]
        found[name] = jackknife.estimate(of(near.distances), without, len(points))
    found["participation"] = participation(
        block_moments([(points.astype(float), groups)], GROUPS), len(points)
    )
    return found


def curved(rng, n):
    t, u = rng.standard_normal((2, n))
    return np.stack([t, u, t**2, t * u, np.sin(2 * t), 0.1 * rng.standard_normal(n)], 1)


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 600])
@pytest.mark.parametrize("draw", [lambda rng, n: rng.standard_normal((n, 8)), curved])
def test_intervals_hold_what_samples_of_the_size_give_on_average(n, draw):
    """Not the dimension itself, from which estimates are some way off; nor by the same points."""
    rng = np.random.default_rng(0)
    groups = np.arange(n) % GROUPS
    runs = [numbers(draw(rng, n), groups) for _ in range(150)]
    for name in runs[0]:
        truth = np.mean([run[name]["value"] for run in runs])
        covered = [run[name]["interval"][0] <= truth <= run[name]["interval"][1] for run in runs]
        assert np.mean(covered) >= 0.9, name


@pytest.mark.slow
def test_intervals_of_bending_hold_it():
    rng = np.random.default_rng(0)
    n, groups, sources = 300, np.arange(300) % 10, np.arange(0, 300, 6)
    covered, values = [], []
    for _ in range(60):
        points = rng.standard_normal((n, 6))
        near = nearest(points, 40)
        without = bending.without_groups(points, near, groups, 10, sources)
        values.append(bending.of_sample(points, 10, sources).kappa)
        covered.append(jackknife.quantile(10) * float(jackknife.error(without)))
    apart = np.abs(np.array(values) - np.mean(values))
    assert (apart <= covered).mean() >= 0.9


@pytest.mark.parametrize("n", [60, 500, 5000])
def test_the_participation_ratio_is_right_from_few_vectors(n):
    """Of 512 equal directions: 500 vectors would show 252."""
    points = np.random.default_rng(0).standard_normal((n, 512))
    found = participation(block_moments([(points, np.arange(n) % GROUPS)], GROUPS), n)
    low, high = found["interval"] or (0, np.inf)
    assert low < 512 < high
    if n >= 500:
        assert found["value"] == pytest.approx(512, rel=0.1)


def test_the_participation_ratio_of_a_spectrum_is_its_formula():
    spectrum = 1 / np.arange(1, 41)
    points = np.random.default_rng(0).standard_normal((20_000, 40)) * np.sqrt(spectrum)
    found = participation(block_moments([(points, np.arange(20_000) % GROUPS)], GROUPS), 20_000)
    assert found["value"] == pytest.approx(spectrum.sum() ** 2 / (spectrum**2).sum(), rel=0.02)


def test_of_constant_vectors_nothing_varies():
    found = participation(block_moments([(np.ones((40, 3)), np.arange(40) % 4)], 4), 40)
    assert (found["value"], found["interval"]) == (0.0, None)
