"""Giving back: all units bring everything back, a planted latent nearly so, random ones do not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.circuits.small_layers import random_latents
from tests.delta.conftest import (
    BACKDOOR,
    LATENTS,
    D,
    clean_tokens,
    maker,
    nonlinear,
    perturbed_tokens,
)
from tickle_core.delta import recovery, summary
from tickle_core.delta.analysis import halves
from tickle_core.delta.contributions import Families, contributions
from tickle_core.delta.reading import read
from tickle_core.delta.recovery import Key
from tickle_core.dictionaries.directions import random_basis
from tickle_core.interventions.parts import ReadUnits


def families(sae):
    return Families(
        sae, {"channels": ReadUnits(torch.eye(D)), "basis": ReadUnits(random_basis(D, 1))}
    )


def recovered(deltas, sae, restored=1, draws=4):
    units = families(sae)
    found = contributions(deltas, units, 8)
    orders = {
        (family, "chosen"): np.argsort(-each, axis=1, kind="stable")
        for family, each in found.of.items()
    }
    return recovery.recover(deltas, units, orders, restored, draws, 0)


def share(found, deltas, key):
    return float((found.predicted[key] == deltas.own).mean())


def test_everything_brings_every_prediction_back(deltas, sae):
    found = recovered(deltas, sae)
    for key in (
        Key("channels", "chosen", D),
        Key("basis", "chosen", D),
        Key("latents", "chosen", LATENTS),
    ):
        assert share(found, deltas, key) == 1
        np.testing.assert_allclose(found.given_back[key], found.whole, rtol=1e-4)


def test_the_planted_latent_alone_brings_predictions_back(deltas, sae):
    found = recovered(deltas, sae)
    assert share(found, deltas, Key("latents", "chosen", 1)) > 0.95
    drawn = [share(found, deltas, Key("latents", "random", 1, draw)) for draw in range(4)]
    assert max(drawn) < 0.2
    np.testing.assert_allclose(
        found.given_back[Key("latents", "chosen", 1)],
        np.square(deltas.tokens["adversarial"] - deltas.tokens["clean"])[..., BACKDOOR].sum(1),
        rtol=1e-4,
    )


def test_latents_and_what_they_leave_over_are_the_clean_activations(deltas):
    """Even of an SAE that explains little."""
    sae = random_latents(D, 24, k=2).sae
    [batch] = deltas.batches("clean", "adversarial")
    changes = Families(sae, {}).changes(batch)["latents"]
    clean, moved = batch.tokens["clean"], batch.tokens["adversarial"]
    with torch.no_grad():
        rest = (clean - sae.decode(sae.encode(clean))) - (moved - sae.decode(sae.encode(moved)))
        back = changes.patched(torch.ones(1, 24, dtype=torch.bool)) + rest
    assert float(rest.norm()) > 1  # or there is nothing to show
    torch.testing.assert_close(back, clean, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(nonlinear(back).argmax(1), deltas.own)


@pytest.fixture
def loud(tmp_path_factory):
    """The planted backdoor where all other latents together change by more than it does."""
    clean = clean_tokens()
    made = maker(tmp_path_factory.mktemp("loud"))
    return read(*made(clean=clean, adversarial=perturbed_tokens(clean, noise=0.8)), 100, 0)


def test_random_latents_that_change_as_much_as_the_planted_one_bring_nothing_back(loud, sae):
    found = recovered(loud, sae)
    planted = Key("latents", "chosen", 1)
    drawn = [Key("latents", "random", 1, draw) for draw in range(4)]
    assert share(found, loud, planted) > 0.95
    assert max(share(found, loud, key) for key in drawn) < 0.2
    amount = np.mean([found.given_back[key].sum() for key in drawn])
    assert 0.8 < amount / found.given_back[planted].sum() < 1.25


def headline(deltas, found):
    """With the chosen latents as their own rivals."""
    for rule in ("own", "stranger"):
        for each in (found.predicted, found.given_back):
            each[Key("latents", rule, 1)] = each[Key("latents", "chosen", 1)]
    return summary.headline(deltas, found, 1, LATENTS, 0)


def test_a_null_that_changes_as_much_is_told_and_another_is_not(loud, deltas, sae):
    told = headline(loud, recovered(loud, sae))
    assert told["recovered"]["null"]["value"] < 0.2
    assert told["beyond"]["value"] > 0.8
    # All other latents together change by less than the planted one.
    withheld = headline(deltas, recovered(deltas, sae))
    assert withheld["recovered"]["null"] is None
    assert "random latents change" in withheld["recovered"]["why"]
    assert "beyond" not in withheld


def test_random_latents_change_as_much_where_directions_overlap(deltas):
    """What several change together is not the sum of what each changes."""
    sae = random_latents(D, 64, k=6).sae
    [batch] = deltas.batches("clean", "adversarial")
    changes = Families(sae, {}).changes(batch)["latents"]
    chosen = torch.zeros(len(deltas), 64, dtype=torch.bool)
    chosen.scatter_(1, changes.amounts().argsort(dim=1, descending=True)[:, :4], True)
    moved = batch.tokens["adversarial"]
    wanted = (changes.patched(chosen) - moved).square().sum((1, 2))
    rng = torch.Generator().manual_seed(0)
    ratios = []
    for _ in range(10):
        drawn = recovery.random_latents(changes, batch, ~chosen, wanted, rng) - moved
        ratios.append(float(drawn.square().sum() / wanted.sum()))
    assert 0.8 < np.mean(ratios) < 1.25


def test_random_latents_change_as_much_and_are_others(deltas, sae):
    units = families(sae)
    [batch] = deltas.batches("clean", "adversarial")
    changes = units.changes(batch)["latents"]
    chosen = torch.zeros(len(deltas), LATENTS, dtype=torch.bool)
    chosen[:, BACKDOOR] = True
    wanted = 0.3 * changes.amounts().masked_fill(chosen, 0).sum(1)
    rng = torch.Generator().manual_seed(0)
    edited = recovery.random_latents(changes, batch, ~chosen, wanted, rng)
    moved = edited - batch.tokens["adversarial"]
    assert not moved[..., BACKDOOR].any()
    ratio = float(moved.square().sum() / wanted.sum())
    assert 0.8 < ratio < 1.25


def test_units_of_a_basis_change_as_much_as_latents(deltas, sae):
    found = recovered(deltas, sae, restored=4)
    latents = found.given_back[Key("latents", "chosen", 4)].sum()
    for family in ("channels", "basis"):
        assert 0.8 < found.given_back[Key(family, "as_much", 4)].sum() / latents < 1.25


def test_sizes_are_powers_of_four_and_the_one_that_is_asked_for():
    assert recovery.sizes(100, 10) == [1, 4, 10, 16, 64, 100]
    assert recovery.sizes(3, 16) == [1, 3]


def test_scores_are_means_over_either_class():
    found = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 8.0]])
    by_own, by_became = recovery.scores(found, np.array([0, 0, 1]), np.array([1, 2, 2]), 3)
    np.testing.assert_array_equal(by_own, [[2, 0], [0, 8], [0, 0]])
    np.testing.assert_array_equal(by_became, [[0, 0], [1, 0], [1.5, 4]])


@pytest.mark.parametrize("seed", range(5))
def test_halves_share_each_pair_of_classes_evenly(seed):
    rng = np.random.default_rng(seed)
    own, became = rng.integers(0, 3, (2, 101))
    choosing, judging = halves(SimpleNamespace(own=own, became=became))
    assert sorted([*choosing, *judging]) == list(range(101))
    for pair in set(zip(own, became, strict=True)):
        counts = [
            ((own[half] == pair[0]) & (became[half] == pair[1])).sum()
            for half in (choosing, judging)
        ]
        assert abs(counts[0] - counts[1]) <= 1


def test_halves_are_apart_and_have_as_many_of_each_pair(deltas):
    choosing, judging = halves(deltas)
    assert len(np.intersect1d(choosing, judging)) == 0
    assert sorted([*choosing, *judging]) == list(range(len(deltas)))
    for own in (0, 1):
        counts = [(deltas.own[half] == own).sum() for half in (choosing, judging)]
        assert abs(counts[0] - counts[1]) <= 1
    assert nonlinear(torch.from_numpy(deltas.tokens["clean"])).argmax(1).tolist() == [
        *deltas.own.tolist()
    ]
