"""Numbers over units: shares, medians, their intervals and what they are held against."""

import numpy as np
import pandas as pd
import pytest

from tickle_core import statistics
from tickle_core.maximization.families import NULLS, OVER_PATCHES
from tickle_core.visualization import summary


def pictures_of(family, **changes):
    """Four units of two pictures each; the last unit's best natural image is below noise."""
    columns = {
        "family": [family] * 8,
        "unit": np.repeat([7, 2, 5, 9], 2),
        "score": [3.0, 5, 1, 1, 9, 9, 4, 8],
        "maximum": [9.0, 9, 9, 9, 9, 9, 0, 0],
        "mean": [0.0] * 8,
        "natural_best": [4.0, 4, 4, 4, 4, 4, -1, -1],
        "natural_high": [3.0, 3, 2, 2, 1, 1, -2, -2],
        "natural_maximum": [8.0] * 8,
        "natural_mean": [1.0] * 8,
        "noise_mean": [0.0] * 8,
        "noise_max": [2.0] * 8,
        "noise_fires": [0.5, 0.5, 0.3, 0.3, 0.0, 0.0, 0.0, 0.0],
        "similarity": [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4],
        "to_others": [0.05] * 8,
        "other_road": [True, False] + [None] * 6,
        "fires": [True] * 7 + [False],
    }
    return pd.DataFrame(columns | changes)


def test_shares_count_units_and_ratios_are_medians_of_them():
    table = pd.concat([pictures_of("latent"), pictures_of("direction", score=5.0)])
    found = summary.families(table)["latent"]
    assert (found["units"], found["pictures"]) == (4, 8)
    assert found["above_natural"]["value"] == 5 / 8 and found["above_natural"]["n"] == 4
    assert found["above_natural"]["interval"] == list(statistics.proportion_interval(2.5, 4))
    assert found["above_natural"]["null"] == 1
    assert found["above_noise"]["value"] == 6 / 8
    assert found["above_by_maximum"]["value"] == 6 / 8 and found["above_by_mean"]["value"] == 0
    assert found["fires"]["value"] == 7 / 8 and found["fires"]["null"] == pytest.approx(0.2)
    assert found["other_road"]["value"] == 0.5 and found["other_road"]["null"] == 0.05
    assert found["other_road"]["n"] == 1
    assert found["ratio"] == {
        "value": 1.0,
        "interval": None,
        "range": [0.25, 2.25],
        "n": 3,
        "null": 1.25,
        "why": "too few: 3",
    }
    assert found["natural_high"]["value"] == 0.5
    assert found["similarity"]["value"] == pytest.approx(0.25)
    assert found["similarity"]["null"] == pytest.approx(0.05)


def test_what_cannot_be_told_says_why():
    dull = {"natural_best": -1.0, "other_road": None, "similarity": np.nan, "to_others": np.nan}
    found = summary.families(pictures_of("layer", **dull))["layer"]
    for name in ("ratio", "natural_high", "other_road", "similarity"):
        assert found[name]["value"] is None and found[name]["interval"] is None
        assert len(found[name]["why"]) > 5
    assert found["above_natural"]["null"] is None
    assert found["above_natural"]["why"] == "there is no random one"
    assert found["similarity"]["why"] == "one picture of each unit; there is no other unit"
    assert "fires" not in found and "above_by_mean" not in found


def test_every_number_has_its_interval_n_and_null_or_a_reason():
    families = ["channel", "latent", "neuron", "layer", "logit", *set(NULLS.values())]
    found = summary.families(pd.concat([pictures_of(each) for each in families]))
    for family, numbers in found.items():
        assert ("above_by_mean" in numbers) == (family in OVER_PATCHES)
        for name in set(numbers) - {"units", "pictures"}:
            assert {"value", "interval", "n", "null"} <= set(numbers[name]), (family, name)
            assert None not in numbers[name].values() or numbers[name]["why"]


@pytest.mark.parametrize("n", [6, 8, 12, 30])
@pytest.mark.parametrize("skewed", [False, True])
def test_intervals_of_medians_cover(n, skewed):
    rng = np.random.default_rng(n)
    values = rng.standard_normal((3000, n))
    values = np.exp(2 * values) if skewed else values
    truth = 1.0 if skewed else 0.0
    intervals = np.array([summary.median_estimate(row)["interval"] for row in values])
    covered = (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
    assert covered.mean() >= 0.94
    known = [summary.median_estimate(row)["value"] for row in values[:20]]
    np.testing.assert_allclose(known, np.median(values[:20], axis=1))


def test_too_few_units_have_a_range():
    found = summary.median_estimate(np.array([5.0, 1.0, 2.0, 9.0, 3.0]))
    assert found == {
        "value": 3.0,
        "interval": None,
        "range": [1.0, 9.0],
        "n": 5,
        "why": "too few: 5",
    }


@pytest.mark.parametrize("n", [4, 8, 12])
@pytest.mark.parametrize("alike", [0.0, 0.7, 1.0])
def test_intervals_of_shares_cover_whatever_pictures_of_a_unit_share(n, alike):
    """Two pictures of each unit that agree in some of the cases; over all shares that may be."""
    rng = np.random.default_rng(0)
    shares = rng.uniform(size=(3000, 1))
    first, other = (rng.uniform(size=(3000, n)) < shares for _ in range(2))
    second = np.where(rng.uniform(size=(3000, n)) < alike, first, other)
    covered = []
    for share, marks in zip(shares[:, 0], np.stack([first, second], 2), strict=True):
        value = marks.mean()
        low, high = statistics.proportion_interval(value * n, n)
        covered.append(low <= share <= high)
    assert np.mean(covered) >= 0.93
