"""What units carry, and what they are compared with: as much of the layer, alone or in all."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.circuits.small_layers import make_layer, random, random_latents
from tickle_core.circuits.activity import KINDS, Activity, measure
from tickle_core.circuits.images import read_images
from tickle_core.circuits.matching import (
    CALIPER,
    CHOSEN_BY,
    TOLERANCE,
    controls,
    equal_energy_groups,
    make_plan,
    strongest,
)
from tickle_core.interventions.units import Directions, channels

IMAGES, POSITIONS, D, LATENTS = 14, 6, 8, 24
FAMILIES = {
    "channels": channels(D, torch.device("cpu")),
    "topk": random_latents(D, LATENTS),
    "directions": Directions(torch.linalg.qr(random(D, D, seed=5))[0]),
}


@pytest.fixture(params=[(), ("class", "register")])
def measured(request, tmp_path):
    """Activity of all families on tokens, of which the first may be of other kinds."""
    tokens = random(IMAGES, POSITIONS, D) + 0.5
    tokens[..., 3] = 12.3  # never changes
    tokens[:, : len(request.param)] *= 3
    store, splice = make_layer(
        tmp_path / "a.zarr", tokens, lambda acts: acts.sum((1, 2))[:, None], request.param
    )
    images = read_images(store, np.arange(IMAGES), 0)
    kind_of = np.array([0, 1, *[2] * (POSITIONS - 2)] if request.param else [0] * POSITIONS)
    return tokens, kind_of, images.donors, measure(FAMILIES, images, store, splice, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_means_and_variances_are_those_within_kinds_of_token(measured, family):
    tokens, kind_of, _, found = measured
    own = coefficients(family, tokens)
    mean = np.stack([own[:, kind_of == kind].mean((0, 1)) for kind in np.unique(kind_of)])
    np.testing.assert_allclose(found[family].mean, mean, rtol=1e-5, atol=1e-5)
    expected = ((own - mean[kind_of]) ** 2).mean((0, 1))
    np.testing.assert_allclose(found[family].variance, expected, rtol=1e-4, atol=1e-4)
    if family == "channels":
        assert found[family].variance[3] == 0  # and not what rounding leaves


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_energy_of_a_set_is_the_mean_square_of_what_its_ablation_changes(measured, family, kind):
    tokens, kind_of, donors, found = measured
    own = coefficients(family, tokens)
    mean = np.stack([own[:, kind_of == each].mean((0, 1)) for each in np.unique(kind_of)])
    new = {"zero": 0 * own, "mean": mean[kind_of] + 0 * own, "resample": own[donors]}[kind]
    directions = FAMILIES[family].directions.numpy()
    for some in ([0], [1, 2], [0, 2, 4, 5, 7]):
        change = (new - own)[..., some] @ directions[some]
        expected = (change**2).sum(2).mean()
        assert found[family].of(kind, np.array(some)) == pytest.approx(expected, rel=1e-3)
    alone = found[family].alone(kind)[1]
    assert alone == pytest.approx(found[family].of(kind, np.array([1])))


def coefficients(family, tokens):
    units = FAMILIES[family]
    found = units.coefficients(tokens.flatten(0, 1), torch.arange(len(units.directions)))
    return found.view(*tokens.shape[:2], -1).double().numpy()


def activity_of(energy):
    """Units that do not overlap, with these energies in every kind of ablation."""
    energy = np.asarray(energy, float)
    return Activity(np.zeros((1, len(energy))), energy, {kind: np.diag(energy) for kind in KINDS})


def test_the_strongest_support_the_prediction_and_are_a_quarter_at_most():
    support = np.array([9.0, 1, -20, 3, 4, 0, 2, 5, 6])
    alive = np.arange(1, 9)  # the first never changes
    chosen, others = strongest(support, alive, 3)
    assert chosen.tolist() == [8, 7]
    assert others.tolist() == [1, 2, 3, 4, 5, 6]
    assert strongest(support, alive, 1)[0].tolist() == [8]
    assert strongest(support, np.array([4]), 3)[0].tolist() == [4]
    assert len(strongest(support, np.array([], int), 3)[0]) == 0


energies = st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=60)


@given(energy=energies, share=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_controls_are_within_the_caliper_and_none_twice(energy, share, seed):
    energy = np.array(energy)
    order = np.random.default_rng(seed).permutation(len(energy))
    count = max(1, int(share * len(order)))
    chosen, others = order[:count], np.sort(order[count:])
    places, found = controls(activity_of(energy), chosen, others)
    assert len(places) == len(found) == len(set(found.tolist()))
    assert set(found.tolist()) <= set(others.tolist())
    assert np.all(np.diff(places) > 0)
    apart = np.abs(np.log(energy[found] / energy[chosen[places]]))
    assert np.all(apart <= np.log(CALIPER) * (1 + 1e-12))
    # Nobody is left without a control who could have one that nobody else has.
    for place in np.setdiff1d(np.arange(len(chosen)), places):
        near = np.abs(np.log(energy[others] / energy[chosen[place]])) < np.log(CALIPER)
        assert set(others[near].tolist()) <= set(found.tolist())


def test_of_controls_of_equal_energy_the_one_that_is_active_as_rarely_is_taken():
    activity = activity_of(np.ones(3))
    activity.mean[0] = [0.1, 2.0, 0.11]
    places, found = controls(activity, np.array([0]), np.array([1, 2]))
    assert (places.tolist(), found.tolist()) == ([0], [2])


def test_random_groups_carry_as_much_and_are_all_different():
    rng = np.random.default_rng(0)
    made = rng.standard_normal((60, 60)) * rng.lognormal(0, 1, 60)
    energy = made.T @ made / 60  # overlapping units
    chosen, others = np.arange(6), np.arange(6, 60)
    target = float(energy[np.ix_(chosen, chosen)].sum())
    (groups,) = equal_energy_groups(energy, {6: target}, others, {6: 30}, rng).values()
    assert len(groups) == len(set(groups)) == 30
    for group in groups:
        assert list(group) == sorted(set(group)) and set(group) <= set(others.tolist())
        assert abs(energy[np.ix_(group, group)].sum() / target - 1) <= TOLERANCE
    assert len({len(group) for group in groups}) > 1
    # Every unit has its turn.
    assert len(set().union(*groups)) > 50


def test_where_others_carry_too_little_there_is_no_random_group():
    energy = np.diag([100.0, 1, 1, 1])
    found = equal_energy_groups(
        energy, {1: 100.0}, np.arange(1, 4), {1: 5}, np.random.default_rng(0)
    )
    assert found == {1: []}


def test_a_plan_has_groups_of_top_units_and_random_ones_without_any():
    rng = np.random.default_rng(0)
    support, activity = rng.random(60), activity_of(rng.random(60) + 0.1)
    plan = make_plan(support, activity, 11, 5, 9, 0)
    top = np.argsort(-support)[:11]
    assert plan.chosen.tolist() == top.tolist()
    assert list(plan.groups) == list(plan.active) == [1, 4, 11]
    by_energy = np.argsort(-activity.alone(CHOSEN_BY))
    for count, group in plan.groups.items():
        assert sorted(group) == sorted(top[:count].tolist())
        assert sorted(plan.active[count]) == sorted(by_energy[:count].tolist())
        for kind in KINDS:
            wanted = 9 if kind == CHOSEN_BY and count == 11 else 5
            if count == 1:  # it has a control
                assert count not in plan.random[kind]
                continue
            assert len(plan.random[kind][count]) == wanted
            for draw in plan.random[kind][count]:
                assert not set(draw) & set(top.tolist())
                wanted = activity.of(kind, top[:count])
                assert activity.of(kind, np.array(draw)) == pytest.approx(wanted, rel=TOLERANCE)
    for kind in KINDS:
        sets = plan.sets(kind)
        assert len(sets) == len(set(sets))
        assert {(unit,) for unit in plan.singles.tolist()} <= set(sets)


def test_without_any_unit_alive_there_is_nothing_to_plan():
    plan = make_plan(np.ones(3), activity_of(np.zeros(3)), 4, 5, 5, 0)
    assert len(plan.chosen) == len(plan.controls) == 0
    assert plan.groups == {}
