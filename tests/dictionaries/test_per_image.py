"""Estimates over images: the sums are right, and the intervals hold the truth."""

import numpy as np
import pytest
import torch

from tickle_core.dictionaries.per_image import PerImage, around_their_mean, ratios
from tickle_core.statistics import ratio_estimate


def test_blocks_are_joined_in_their_order():
    sums = PerImage()
    for start in (0, 3):
        block = torch.arange(start, start + 3)
        sums.add("a", one=block, wide=block[:, None].expand(3, 2))
    found = sums.columns()
    np.testing.assert_array_equal(found["a", "one"], np.arange(6.0))
    assert found["a", "wide"].shape == (6, 2)


def test_squares_are_around_the_mean_of_all_tokens():
    rng = np.random.default_rng(0)
    tokens = 3 + rng.standard_normal((50, 4, 5))
    point = np.full(5, 2.5)
    squares = np.square(tokens - point).sum((1, 2))
    found = around_their_mean(squares, (tokens - point).sum(1), 4)
    expected = np.square(tokens - tokens.mean((0, 1))).sum((1, 2))
    np.testing.assert_allclose(found, expected)


def test_many_ratios_are_those_of_each_alone():
    rng = np.random.default_rng(0)
    below = rng.uniform(1, 2, 60)
    above = {"full": rng.random(60), "rare": rng.random(60) * (np.arange(60) < 5), "same": below}
    found = ratios(above, below, seed=1)
    for name, values in above.items():
        alone = ratio_estimate(values, below, seed=1)
        assert found[name].keys() == alone.keys()
        assert found[name]["value"] == pytest.approx(alone["value"])
        assert (found[name]["interval"] is None) == (alone["interval"] is None)
    assert found["full"]["interval"] == pytest.approx(
        ratio_estimate(above["full"], below, 1)["interval"]
    )
    assert "too few: 5 of 60" in found["rare"]["why"]
    assert found["same"]["why"] == "all alike"
    assert ratios({}, below, seed=1) == {}


@pytest.mark.slow
@pytest.mark.parametrize(("n", "runs"), [(40, 400), (300, 200)])
def test_an_fvu_lies_in_its_interval(n, runs):
    """Images differ in how large their tokens are, by a lognormal factor, and large ones are worse
    described, more so than those of photographs are; the mean is that of the same images.
    """
    rng, held = np.random.default_rng(0), []
    for run in range(runs):
        size = np.exp(0.6 * rng.standard_normal(n))
        tokens = np.sqrt(size)[:, None, None] * rng.standard_normal((n, 4, 6))
        below = around_their_mean(np.square(tokens - 0.3).sum((1, 2)), (tokens - 0.3).sum(1), 4)
        above = 0.1 * np.square(tokens).sum((1, 2)) * np.sqrt(size)
        # E[size^1.5] / E[size]
        truth = 0.1 * np.exp(0.36 * (1.5**2 - 1) / 2)
        low, high = ratios({"": above}, below, seed=run)[""]["interval"]
        held.append(low <= truth <= high)
    assert np.mean(held) >= 0.93
