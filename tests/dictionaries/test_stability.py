"""Two dictionaries beside each other: exact matching, and chance where nothing is shared."""

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

from tickle_core.dictionaries import directions, stability
from tickle_core.dictionaries.stability import matched_cosines, of_codes, of_directions

M, D = 150, 24


def normal(m, d, seed):
    return torch.randn(m, d, generator=torch.Generator().manual_seed(seed))


def unit(dictionary):
    return torch.nn.functional.normalize(dictionary.double())


def shuffled(dictionary, seed):
    return dictionary[
        torch.randperm(len(dictionary), generator=torch.Generator().manual_seed(seed))
    ]


def compare(*trained, covariance=None, begun=None):
    identity = torch.eye(trained[0].shape[1], dtype=torch.float64)
    rng = np.random.default_rng(0)
    covariance = identity if covariance is None else covariance
    return of_directions(trained, begun or trained, covariance, rng)


def test_a_reordered_and_rescaled_dictionary_is_the_same():
    one = normal(100, 16, 0)
    cosines = matched_cosines(one, 3 * shuffled(one, 1))
    np.testing.assert_allclose(cosines, 1)


def test_opposite_directions_are_not_the_same():
    assert matched_cosines(torch.eye(8), -torch.eye(8)).mean() == pytest.approx(0)


@pytest.mark.parametrize(("m", "other"), [(6, 6), (4, 6), (6, 4), (1, 5)])
def test_no_other_matching_is_better(m, other):
    for seed in range(5):
        one, two = normal(m, 3, seed), normal(other, 3, seed + 100)
        small, large = sorted((unit(one), unit(two)), key=len)
        cosines = (small @ large.T).numpy()
        best = max(
            cosines[np.arange(len(small)), list(order)].mean()
            for order in permutations(range(len(large)), len(small))
        )
        found = matched_cosines(one, two)
        assert found.mean() == pytest.approx(best)
        assert len(found) == min(m, other)
        assert matched_cosines(two, one).mean() == pytest.approx(best)


def test_each_direction_is_matched_once():
    """Two directions near the same one: only one of them gets it."""
    one = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.1, 0.0]])
    two = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert matched_cosines(one, two).mean() == pytest.approx(0.5)


def test_independent_dictionaries_have_a_known_value():
    """In many dimensions cosines are independent normal numbers of variance 1 / d."""
    m, d = 200, 4000
    numbers = np.random.default_rng(0).standard_normal((m, m)) / np.sqrt(d)
    expected = numbers[linear_sum_assignment(numbers, maximize=True)].mean()
    found = matched_cosines(normal(m, d, 0), normal(m, d, 1)).mean()
    assert found == pytest.approx(expected, rel=0.05)
    # The mean of each row's maximum, which no matching exceeds, has this bound.
    assert 0.02 < found < np.sqrt(2 * np.log(m) / d) < 0.06


def test_a_direction_in_common_is_found_among_others():
    shared, one, two = normal(30, 500, 0), normal(50, 500, 1), normal(90, 500, 2)
    cosines = matched_cosines(torch.cat([shared, one]), torch.cat([two, shared]))
    assert len(cosines) == 80
    assert (cosines > 0.999).sum() == 30
    assert np.sort(cosines)[:50].max() < 0.3


def test_of_large_dictionaries_some_are_matched_with_all(monkeypatch):
    monkeypatch.setattr(stability, "MOST_SIMILARITIES", 1000)
    one = normal(100, 16, 0)
    cosines = matched_cosines(one, shuffled(one, 1))
    assert len(cosines) == 10
    np.testing.assert_allclose(cosines, 1)
    # They come from all of the dictionary: the matched ones are every tenth.
    two = normal(100, 16, 2)
    two[::10] = one[::10]
    np.testing.assert_allclose(matched_cosines(one, two), 1)
    few, many = normal(5, 16, 0), normal(3000, 16, 1)
    assert len(matched_cosines(few, many)) == len(matched_cosines(many, few)) == 1


def test_the_same_dictionary_is_all_excess():
    one = normal(M, D, 0) * torch.linspace(0.1, 2, D)
    found = compare(one, shuffled(one, 1), shuffled(one, 2))
    for key in ("cosine", "excess", "alike"):
        assert found[key]["value"] == pytest.approx(1)
        assert found[key]["range"] == pytest.approx([1, 1])
        assert found[key]["n"] == 3
    low, high = found["cosine"]["null"]["range"]
    assert 0.3 < low <= found["cosine"]["null"]["value"] <= high < 0.8


@pytest.mark.parametrize("slope", [0.0, 2.0, 4.0])
def test_draws_of_the_chance_itself_have_no_excess(slope):
    """However unevenly they are spread, and however much more alike the tokens are."""
    spread = torch.diag(torch.exp(-slope * torch.linspace(0, 1, D))).double()
    excess, alike, by_chance = [], [], []
    for seed in range(6):
        rng = np.random.default_rng([1, seed])
        drawn = [directions.draw(spread, M, rng) for _ in range(3)]
        found = compare(*drawn, covariance=spread**4)
        excess.append(found["excess"]["value"])
        alike.append(found["alike"]["value"])
        by_chance.append(found["alike"]["null"]["value"])
        if slope:
            assert found["cosine"]["data"]["value"] > found["cosine"]["null"]["value"] + 0.05
    assert -0.03 < np.mean(excess) < 0.015
    assert np.max(excess) < 0.05
    assert np.mean(alike) == pytest.approx(np.mean(by_chance), abs=0.03)


@pytest.mark.parametrize("m", [20, 2000])  # fewer directions than dimensions, and many
def test_directions_are_drawn_with_the_second_moment_of_others(m):
    rng = np.random.default_rng(0)
    uneven = torch.linalg.qr(normal(D, D, 0).double()).Q * torch.logspace(0, -2, D).double()
    rows = directions.draw(uneven @ uneven.T, m, rng).double()
    found = directions.draw(directions.spread_of(rows, rng), 50_000, rng).double()
    moments = [each.T @ each / len(each) for each in (rows, found)]
    np.testing.assert_allclose(*moments, atol=0.01)


def test_half_a_dictionary_in_common_lies_between():
    common, *own = (normal(M // 2, D, seed) for seed in range(3))
    found = compare(*(torch.cat([common, each]) for each in own))
    assert 0.35 < found["excess"]["value"] < 0.65
    assert 0.45 < found["alike"]["value"] < 0.55
    assert found["alike"]["null"]["value"] < 0.01


def test_what_training_began_with_stands_beside():
    trained, begun = [normal(M, D, seed) for seed in (0, 1)], [normal(M, D, 2)] * 2
    found = compare(*trained, begun=begun)
    assert found["cosine"]["before"]["value"] == pytest.approx(1)
    assert found["cosine"]["value"] < 0.6


IMAGES, POSITIONS, LATENTS = 300, 4, 30


def codes(seed, firing=0.1, noise=0.0, base=None):
    rng = np.random.default_rng(seed)
    size = (IMAGES * POSITIONS, LATENTS)
    own = rng.random(size) * (rng.random(size) < firing)
    return own if base is None else np.where(rng.random(size) < noise, own, base)


def test_latents_that_fire_alike_are_matched():
    base = codes(0)
    order = np.random.default_rng(1).permutation(LATENTS)
    pair = [csr_array(base), csr_array(2 * base[:, order])]
    found = of_codes(pair, POSITIONS, np.random.default_rng(0))
    assert found["value"] == pytest.approx(1)
    assert found["n"] == 2
    assert abs(found["null"]["value"]) < 0.05


def test_matching_leaves_no_luck_behind():
    """Matched and scored on the same tokens, independent latents would correlate."""
    scores = []
    for seed in range(5):
        trio = [csr_array(codes([seed, n])) for n in range(3)]
        found = of_codes(trio, POSITIONS, np.random.default_rng(seed))
        scores.append(found["value"] - found["null"]["value"])
        lucky = stability._correlations(trio[0], trio[1])
        assert lucky[np.arange(LATENTS), stability._match(lucky)].mean() > 0.04
    assert abs(np.mean(scores)) < 0.01


def test_positions_that_all_images_share_are_part_of_chance():
    """A latent that fires at one position of every image tells nothing of images."""
    rng = np.random.default_rng(0)
    at = np.tile(np.eye(POSITIONS), (IMAGES, LATENTS // POSITIONS + 1))[:, :LATENTS]
    pair = [csr_array(at * rng.uniform(0.9, 1.1, at.shape)) for _ in range(2)]
    found = of_codes(pair, POSITIONS, np.random.default_rng(0))
    assert found["value"] > 0.9
    assert found["null"]["value"] == pytest.approx(found["value"], abs=0.01)


def test_correlations_are_numpys_and_zero_where_nothing_fires():
    base = codes(3)
    noisy = codes(4, noise=0.5, base=base)
    noisy[:, 0] = 0
    found = stability._correlations(csr_array(base), csr_array(noisy))
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(np.corrcoef(base.T, noisy.T)[:LATENTS, LATENTS:])
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert not found[:, 0].any()
