"""Matching two dictionaries: exact, one to one, and with a known value where nothing is shared."""

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from tickle_core.dictionaries import stability as module
from tickle_core.dictionaries.stability import matched_cosines, stability


def directions(m, d, seed):
    return torch.randn(m, d, generator=torch.Generator().manual_seed(seed))


def unit(dictionary):
    return torch.nn.functional.normalize(dictionary.double())


def test_a_reordered_and_rescaled_dictionary_is_the_same():
    one = directions(100, 16, 0)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(1))
    found = stability(one, 3 * one[order], seed=0)
    assert found == {
        "value": pytest.approx(1, abs=1e-7),
        "interval": [pytest.approx(1, abs=1e-7)] * 2,
        "n": 100,
    }


def test_opposite_directions_are_not_the_same():
    assert stability(torch.eye(8), -torch.eye(8), seed=0)["value"] == pytest.approx(0)


@pytest.mark.parametrize(("m", "other"), [(6, 6), (4, 6), (6, 4), (1, 5)])
def test_no_other_matching_is_better(m, other):
    for seed in range(5):
        one, two = directions(m, 3, seed), directions(other, 3, seed + 100)
        small, large = sorted((unit(one), unit(two)), key=len)
        cosines = (small @ large.T).numpy()
        best = max(
            cosines[np.arange(len(small)), list(order)].mean()
            for order in permutations(range(len(large)), len(small))
        )
        found = stability(one, two, seed=0)
        assert found["value"] == pytest.approx(best)
        assert found["n"] == min(m, other)
        assert stability(two, one, seed=0)["value"] == pytest.approx(best)


def test_each_direction_is_matched_once():
    """Two directions near the same one: only one of them gets it."""
    one = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.1, 0.0]])
    two = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert stability(one, two, seed=0)["value"] == pytest.approx(0.5)


def test_independent_dictionaries_have_a_known_value():
    """In many dimensions cosines are independent normal numbers of variance 1 / d."""
    m, d = 200, 4000
    normal = np.random.default_rng(0).standard_normal((m, m)) / np.sqrt(d)
    expected = normal[linear_sum_assignment(normal, maximize=True)].mean()
    found = stability(directions(m, d, 0), directions(m, d, 1), seed=0)
    assert found["value"] == pytest.approx(expected, rel=0.05)
    # The mean of each row's maximum, which no matching exceeds, has this bound.
    assert 0.02 < found["value"] < np.sqrt(2 * np.log(m) / d) < 0.06


def test_a_direction_in_common_is_found_among_others():
    shared, one, two = directions(30, 500, 0), directions(50, 500, 1), directions(90, 500, 2)
    cosines = matched_cosines(torch.cat([shared, one]), torch.cat([two, shared]))
    assert len(cosines) == 80
    assert (cosines > 0.999).sum() == 30
    assert np.sort(cosines)[:50].max() < 0.3


def test_the_interval_is_that_of_a_mean_over_pairs():
    """Half of the directions are the same, half have nothing in common with any."""
    n, basis = 200, torch.eye(300)
    found = stability(basis[:n], torch.cat([basis[:100], basis[n:]]), seed=0)
    assert found["value"] == pytest.approx(0.5)
    reach = 1.96 * 0.5 / np.sqrt(n)
    assert found["interval"] == pytest.approx([0.5 - reach, 0.5 + reach], abs=0.015)
    assert stability(basis[:n], torch.cat([basis[:100], basis[n:]]), seed=0) == found


def test_of_large_dictionaries_some_are_matched_with_all(monkeypatch):
    monkeypatch.setattr(module, "MOST_COSINES", 1000)
    one = directions(100, 16, 0)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(1))
    found = stability(one, one[order], seed=0)
    assert found["value"] == pytest.approx(1)
    assert found["n"] == 10
    # They come from all of the dictionary: the matched ones are every tenth.
    two = directions(100, 16, 2)
    two[::10] = one[::10]
    assert stability(one, two, seed=0)["value"] == pytest.approx(1)
    few, many = directions(5, 16, 0), directions(3000, 16, 1)
    assert len(matched_cosines(few, many)) == len(matched_cosines(many, few)) == 1
