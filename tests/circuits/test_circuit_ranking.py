"""The gradient screen: exact where the tail is linear, one pass, and its units' activity."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_layers import make_layer, random, random_latents

from tickle_core.circuits import ranking
from tickle_core.circuits.effects import edited_logits, exact_effects
from tickle_core.circuits.matching import NEAREST, make_plan, matched, strongest
from tickle_core.circuits.ranking import KINDS, batches, rank
from tickle_core.circuits.units import Directions, channels

IMAGES, POSITIONS, D, CLASSES, LATENTS = 21, 6, 8, 4, 24


WEIGHT = random(CLASSES, POSITIONS, D, seed=1)


def linear(acts):
    return torch.einsum("npd,cpd->nc", acts, WEIGHT)


def curved(acts):
    return torch.einsum("npd,cpd->nc", torch.tanh(acts), WEIGHT)


FAMILIES = {
    "channels": channels(D, torch.device("cpu")),
    "topk": random_latents(D, LATENTS),
    "relu": random_latents(D, LATENTS, "relu"),
    "directions": Directions(torch.linalg.qr(random(D, D, seed=5))[0]),
}


@pytest.fixture
def layer(tmp_path):
    return lambda tokens, run: make_layer(tmp_path / "a.zarr", tokens, run)


@pytest.fixture
def tokens():
    return random(IMAGES, POSITIONS, D) + 0.5


@pytest.mark.parametrize("family", FAMILIES)
def test_the_screen_of_a_linear_tail_is_exact(layer, tokens, family):
    store, splice = layer(tokens, linear)
    units = FAMILIES[family]
    rows = np.arange(IMAGES)
    ranked = rank({family: units}, store, splice, rows)[family]
    sets = [(unit,) for unit in range(len(units.directions))]
    exact = exact_effects(units, sets, ranked.mean, store, splice, rows, np.array([0]))
    for kind in KINDS:
        effects = exact[kind].predicted
        assert np.abs(effects).max() > 1
        np.testing.assert_allclose(ranked.signed[kind], effects.mean(1), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(ranked.size[kind], np.abs(effects).mean(1), rtol=1e-4, atol=1e-4)


def test_the_screen_of_a_curved_tail_is_the_start_of_the_ablation(layer, tokens):
    """A step of 1 % towards the ablated coefficient changes the logit by 1 % of the screen."""
    store, splice = layer(tokens, curved)
    units = FAMILIES["topk"]
    ranked = rank({"latents": units}, store, splice, np.arange(IMAGES))["latents"]
    everything = torch.arange(LATENTS)
    own = units.coefficients(tokens.flatten(0, 1), everything).view(IMAGES, POSITIONS, -1)
    pairs = torch.cartesian_prod(everything, torch.arange(IMAGES))
    with torch.no_grad():
        clean = splice.logits(tokens, np.arange(IMAGES))
        parts = edited_logits(
            splice,
            tokens,
            np.arange(IMAGES),
            -0.01 * own,
            units.directions,
            list(everything[:, None]),
            pairs,
        )
        logits = torch.cat([found for _, found in parts]).view(LATENTS, IMAGES, -1)
    drops = (clean - logits).gather(2, clean.argmax(1).expand(LATENTS, -1)[..., None]).squeeze(2)
    scale = np.abs(ranked.signed["zero"]).max()
    np.testing.assert_allclose(
        drops.double().mean(1) / 0.01, ranked.signed["zero"], atol=0.01 * scale
    )


def test_moments_are_those_over_all_tokens(layer, tokens):
    tokens[..., 3] = 12.3  # never changes
    store, splice = layer(tokens, curved)
    found = rank(FAMILIES, store, splice, np.arange(IMAGES))
    for family, units in FAMILIES.items():
        everything = torch.arange(len(units.directions))
        own = units.coefficients(tokens.flatten(0, 1), everything).double().numpy()
        np.testing.assert_allclose(found[family].mean, own.mean(0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found[family].activity, own.var(0), rtol=1e-4, atol=1e-5)
    assert found["channels"].activity[3] == 0  # and not what rounding leaves
    assert np.all(np.delete(found["channels"].activity, 3) > 0.1)


def test_batches_change_nothing(layer, tokens, monkeypatch):
    store, splice = layer(tokens, curved)
    rows = np.arange(1, IMAGES, 2)
    whole = rank(FAMILIES, store, splice, rows)
    monkeypatch.setattr(ranking, "MOST_TOKENS", 3 * POSITIONS)
    assert len(list(batches(store, splice, rows))) == 4
    parts = rank(FAMILIES, store, splice, rows)
    for family in FAMILIES:
        for kind in KINDS:
            np.testing.assert_allclose(
                parts[family].signed[kind], whole[family].signed[kind], rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("count", [2, 5, 12])
def test_every_image_has_another_one_as_its_donor_and_is_one_itself(
    layer, tokens, monkeypatch, count
):
    monkeypatch.setattr(ranking, "MOST_TOKENS", 3 * POSITIONS)
    store, splice = layer(tokens, linear)
    rows = np.arange(IMAGES - count, IMAGES)
    found = list(batches(store, splice, rows))
    own, donors = (
        torch.cat([getattr(each, name) for each in found]) for name in ("tokens", "donors")
    )
    np.testing.assert_array_equal(np.concatenate([each.rows for each in found]), rows)
    assert torch.equal(own, tokens[rows])
    same = (donors[:, None] == tokens[rows][None]).flatten(2).all(2)
    assert torch.equal(same.sum(0), torch.ones(count, dtype=torch.int64))
    assert torch.equal(same.sum(1), torch.ones(count, dtype=torch.int64))
    assert not same.diagonal().any()


def test_all_families_cost_one_pass_forward_and_backward(layer, tokens):
    store, splice = layer(tokens, curved)
    rank(FAMILIES, store, splice, np.arange(10))
    assert splice.tail.forward_passes == 10
    assert splice.tail.backward_passes == 10


def test_units_that_never_change_are_not_chosen():
    size, activity = np.array([9.0, 1, 2, 3, 4]), np.array([0.0, 1, 1, 1, 1])
    chosen, others = strongest(size, activity, 3)
    assert chosen.tolist() == [4, 3]  # half of the four, so that there are others
    assert others.tolist() == [1, 2]
    assert strongest(size, activity, 1)[0].tolist() == [4]


activities = st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=60)


@given(activity=activities, share=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_controls_are_the_nearest_that_are_left(activity, share, seed):
    activity = np.array(activity)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(activity))
    count = max(1, int(share * len(order)))
    chosen, others = order[:count], np.sort(order[count:])
    found = matched(activity, chosen, others)
    assert len(found) == min(len(chosen), len(others)) == len(set(found.tolist()))
    left = others.tolist()
    for unit, control in zip(chosen, found, strict=False):
        distance = np.abs(np.log(activity[left]) - np.log(activity[unit]))
        assert abs(np.log(activity[control]) - np.log(activity[unit])) == distance.min()
        left.remove(control)


def test_random_controls_are_among_the_ten_nearest_and_reach_all_of_them():
    activity = np.exp(np.arange(50.0))
    others = np.delete(np.arange(50), 20)
    rng = np.random.default_rng(0)
    drawn = [int(matched(activity, np.array([20]), others, rng)[0]) for _ in range(300)]
    assert set(drawn) == {*range(15, 20), *range(21, 26)}
    assert len(set(drawn)) == NEAREST


def test_a_plan_has_groups_of_top_units_and_random_ones_without_any():
    rng = np.random.default_rng(0)
    size, activity = rng.random(40), rng.random(40) + 0.1
    plan = make_plan(size, activity, 11, 5, 0)
    top = np.argsort(-size)[:11]
    assert plan.chosen.tolist() == top.tolist()
    assert list(plan.groups) == [1, 2, 4, 8]
    for count, group in plan.groups.items():
        assert sorted(group) == sorted(top[:count].tolist())
        assert 1 < len(plan.null[count]) <= 5
        for draw in plan.null[count]:
            assert len(set(draw)) == count
            assert not set(draw) & set(top.tolist())
        assert len(set(plan.null[count])) == len(plan.null[count])
    assert len(plan.sets) == len(set(plan.sets))
    assert {(unit,) for unit in plan.singles.tolist()} <= set(plan.sets)


def test_a_null_of_one_possible_group_is_one_draw():
    plan = make_plan(np.arange(8.0), np.ones(8), 4, 5, 0)
    assert plan.null[4] == [(0, 1, 2, 3)]
    assert 1 < len(plan.null[2]) <= 5
